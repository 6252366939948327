import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { withCookies } from './directories.ts';

const latin1Name = fc
  .uint8Array({ minLength: 1, maxLength: 20 })
  .map((bytes) => Buffer.from(bytes).toString('latin1'))
  .filter((name) => name !== '.' && name !== '..');
const names = fc.uniqueArray(latin1Name, { maxLength: 200 });

describe('cookies', () => {
  it('are in order, each its own, and positive as int64', () => {
    fc.assert(
      fc.property(names, (list) => {
        const cookies = withCookies(list).map(({ cookie }) => cookie);
        assert.equal(cookies.length, list.length + 2);
        cookies.forEach((cookie, i) => assert.ok(cookie > (cookies[i - 1] ?? 0n)));
        assert.ok((cookies.at(-1) ?? 0n) < 1n << 63n);
      }),
    );
  });

  it('do not depend on what else is in the directory, nor on its order', () => {
    fc.assert(
      fc.property(names, fc.nat(), (list, seed) => {
        const all = new Map(withCookies(list).map(({ name, cookie }) => [name, cookie]));
        const some = list.filter((_, i) => (i * 7 + seed) % 3 !== 0).reverse();
        for (const { name, cookie } of withCookies(some)) assert.equal(cookie, all.get(name));
      }),
    );
  });

  it('are the same in every version of this package: clients keep them', () => {
    const known = withCookies(['hello.txt', '\xff']).map(({ name, cookie }) => [name, cookie]);
    assert.deepEqual(known, [
      ['.', 1n],
      ['..', 2n],
      ['\xff', 2222305763033755392n],
      ['hello.txt', 6993908169973743616n],
    ]);
  });
});
