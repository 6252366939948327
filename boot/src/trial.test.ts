import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type BootRecord, cameUp, nextBoot, rollbackOf } from './trial.ts';

const MINUTE = 60_000;
const T0 = 1_000 * MINUTE;

/** Asks at a time, and gives what is known then. */
const ask = (record: BootRecord | undefined, newest: string, now: number) =>
  nextBoot(record, newest, now, 5 * MINUTE);

const running = (version: string): BootRecord => cameUp(ask(undefined, version, T0).record);

describe('versions on trial', () => {
  it('a machine is given the newest, and keeps what it came up with to go back to', () => {
    const v1 = running('v1');
    assert.equal(rollbackOf(v1), undefined);
    const { version, record } = ask(v1, 'v2', T0 + MINUTE);
    assert.equal(version, 'v2');
    assert.equal(rollbackOf(record), 'v1');
    const v2 = cameUp(record);
    assert.equal(rollbackOf(v2), 'v1');
    assert.equal(ask(v2, 'v2', T0 + 100 * MINUTE).gaveUp, undefined);
  });

  it('one that does not come up in time is given up, and not tried again', () => {
    const tried = ask(running('v1'), 'v2', T0);
    const again = ask(tried.record, 'v2', T0 + 4 * MINUTE);
    assert.equal(again.version, 'v2', 'it has its time');
    const back = ask(again.record, 'v2', T0 + 5 * MINUTE);
    assert.deepEqual([back.version, back.gaveUp], ['v1', 'v2']);
    const later = ask(cameUp(back.record), 'v2', T0 + 6 * MINUTE);
    assert.deepEqual([later.version, later.gaveUp], ['v1', undefined]);
    const newer = ask(later.record, 'v3', T0 + 7 * MINUTE);
    assert.equal(newer.version, 'v3');
    assert.equal(rollbackOf(newer.record), 'v1');
  });

  it('one that came up late is good', () => {
    const late = cameUp(ask(running('v1'), 'v2', T0).record);
    assert.equal(ask(late, 'v2', T0 + 60 * MINUTE).version, 'v2');
  });

  it('one that came up once is never given up', () => {
    const first = ask(running('v1'), 'v1', T0);
    const hours = ask(first.record, 'v1', T0 + 600 * MINUTE);
    assert.deepEqual([hours.version, hours.gaveUp], ['v1', undefined]);
  });

  it('the first is never given up, and none where nothing is', () => {
    const first = ask(undefined, 'v1', T0);
    assert.equal(ask(first.record, 'v1', T0 + 600 * MINUTE).version, 'v1');
    const tried = ask(running('v1'), 'v2', T0).record;
    assert.equal(nextBoot(tried, 'v2', T0 + 600 * MINUTE, 0).version, 'v2');
  });

  it('in any history a machine is given the newest, or one that came up on it', () => {
    const step = fc.record({ newest: fc.nat(4), comesUp: fc.boolean(), minutes: fc.nat(10) });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        let record: BootRecord | undefined;
        let now = T0;
        const up = new Set<string>();
        for (const { newest, comesUp, minutes } of steps) {
          now += minutes * MINUTE;
          const next = ask(record, `v${newest}`, now);
          assert.ok(next.version === `v${newest}` || up.has(next.version));
          record = comesUp ? cameUp(next.record) : next.record;
          if (comesUp) up.add(next.version);
          const rollback = rollbackOf(record);
          assert.ok(rollback === undefined || up.has(rollback));
        }
      }),
    );
  });
});
