import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { KeptReplies } from './kept-replies.ts';
import { REPLY_TABLE } from './records.ts';

/** Records in memory, in the order of their keys. */
class Records {
  readonly #records = new Map<string, Buffer>();

  keep(replies: KeptReplies, request: string, result = `result of ${request}`): void {
    const { key, record } = replies.next(request, Buffer.from(result));
    this.#records.set(key, record);
  }

  get size(): number {
    return this.#records.size;
  }

  *range(): Generator<{ key: Buffer; value: Buffer }> {
    for (const [key, value] of [...this.#records].sort(([a], [b]) => (a < b ? -1 : 1)))
      yield { key: Buffer.from(key, 'latin1'), value };
  }

  addBad(): void {
    this.#records.set(`${REPLY_TABLE}\0`, Buffer.alloc(3));
  }
}

function textOf(replies: KeptReplies, request: string): string | undefined {
  return replies.earlier(request)?.toString();
}

describe('replies that are kept', () => {
  it('are found by the next process, not by the one that gave them', () => {
    const records = new Records();
    const first = new KeptReplies(records);
    records.keep(first, 'a');
    assert.equal(textOf(first, 'a'), undefined);
    const second = new KeptReplies(records);
    assert.equal(textOf(second, 'a'), 'result of a');
    assert.equal(textOf(second, 'b'), undefined);
  });

  it('make room, the oldest first, over any number of processes', () => {
    const records = new Records();
    for (let process = 0; process < 3; process += 1) {
      const replies = new KeptReplies(records);
      for (let call = 0; call < 1000; call += 1) records.keep(replies, `${process} ${call}`);
    }
    assert.equal(records.size, 1024);
    const last = new KeptReplies(records);
    assert.equal(textOf(last, '2 999'), 'result of 2 999');
    assert.equal(textOf(last, '1 976'), 'result of 1 976');
    assert.equal(textOf(last, '1 975'), undefined);
  });

  it('are the later ones when a client begins its xids anew', () => {
    const records = new Records();
    const replies = new KeptReplies(records);
    for (let call = 0; call < 1024; call += 1) records.keep(replies, `${call}`);
    records.keep(replies, '1000', 'later');
    assert.equal(textOf(new KeptReplies(records), '1000'), 'later');
  });

  it('expire when every client has had time to come back', () => {
    const records = new Records();
    records.keep(new KeptReplies(records), 'a');
    let now = 0;
    const replies = new KeptReplies(records, () => now);
    now = 10 * 60_000;
    assert.equal(textOf(replies, 'a'), 'result of a');
    now = 20 * 60_000;
    assert.equal(textOf(replies, 'a'), undefined);
  });

  it('are not sought in what is no reply', () => {
    const records = new Records();
    records.keep(new KeptReplies(records), 'a');
    records.addBad();
    assert.equal(textOf(new KeptReplies(records), 'a'), 'result of a');
  });
});
