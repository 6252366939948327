import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Fattr3 } from '@rowfs/nfs3';
import fc from 'fast-check';
import { AttributeCache } from './attribute-cache.ts';
import { HandleCache } from './handle-cache.ts';

const uint32 = fc.nat({ max: 0xffff_ffff });
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const time = fc.record({ seconds: uint32, nseconds: uint32 });
const attributes: fc.Arbitrary<Fattr3> = fc.record({
  type: fc.constantFrom(1, 2, 3, 4, 5, 6, 7),
  mode: uint32,
  nlink: uint32,
  uid: uint32,
  gid: uint32,
  size: fc.maxSafeNat(),
  used: fc.maxSafeNat(),
  rdev: fc.record({ specdata1: uint32, specdata2: uint32 }),
  fsid: uint64,
  fileid: uint64,
  atime: time,
  mtime: time,
  ctime: time,
});

test('attributes come back as they were put, those put last of each key', () => {
  const puts = fc.array(fc.tuple(fc.nat({ max: 600 }), attributes), { maxLength: 700 });
  fc.assert(
    fc.property(puts, (all) => {
      const cache = new AttributeCache<number>(1000);
      for (const [key, value] of all) cache.set(key, value);
      for (const [key, value] of new Map(all))
        assert.deepEqual(cache.get(key), structuredClone(value));
      assert.equal(cache.get(601), undefined);
    }),
    { numRuns: 30 },
  );
});

test('handles of all lengths come back, until they are deleted', () => {
  const puts = fc.array(fc.tuple(fc.nat({ max: 600 }), fc.uint8Array({ maxLength: 64 })));
  fc.assert(
    fc.property(puts, (all) => {
      const cache = new HandleCache<number>(1000);
      for (const [key, handle] of all) cache.set(key, handle);
      for (const [key, handle] of new Map(all)) {
        assert.deepEqual(cache.get(key), handle);
        cache.delete(key);
        assert.equal(cache.get(key), undefined);
      }
    }),
  );
});

test('a full cache drops what it has had longest, also after deletions', () => {
  const handle = (byte: number): Uint8Array => new Uint8Array([byte]);
  const cache = new HandleCache<number>(3);
  for (const key of [1, 2, 3]) cache.set(key, handle(key));
  cache.delete(1);
  cache.set(4, handle(4));
  assert.deepEqual(
    [1, 2, 3, 4].map((key) => cache.get(key)),
    [undefined, handle(2), handle(3), handle(4)],
  );
  cache.set(1, handle(9));
  assert.deepEqual(
    [1, 2, 3, 4].map((key) => cache.get(key)?.[0]),
    [9, undefined, 3, 4],
  );
});

test('a handle that was asked for stays what it was when its slot is given away', () => {
  const cache = new HandleCache<number>(1);
  cache.set(1, new Uint8Array([1, 1]));
  const asked = cache.get(1);
  cache.set(2, new Uint8Array([2, 2]));
  assert.deepEqual(asked, new Uint8Array([1, 1]));
});
