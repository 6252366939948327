import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BufferPool } from './buffer-pool.ts';

describe('BufferPool', () => {
  it('lends memory again when all who hold it have released it', () => {
    const pool = new BufferPool(1024 * 1024);
    const first = pool.take(70_000);
    assert.ok(first.bytes.length >= 70_000);
    first.hold();
    first.release();
    const second = pool.take(70_000);
    assert.notEqual(second.bytes, first.bytes);
    first.release();
    assert.equal(pool.take(66_000).bytes, first.bytes);
  });

  it('keeps no more than it may, and nothing that is very large', () => {
    const pool = new BufferPool(100_000);
    const [a, b] = [pool.take(65_536), pool.take(65_536)];
    a.release();
    b.release();
    assert.equal(pool.take(65_536).bytes, a.bytes);
    assert.notEqual(pool.take(65_536).bytes, b.bytes);
    const large = pool.take(3 * 1024 * 1024);
    assert.equal(large.bytes.length, 3 * 1024 * 1024);
    large.release();
    assert.notEqual(pool.take(3 * 1024 * 1024).bytes, large.bytes);
  });

  it('gives memory of the smallest size for a single byte', () => {
    assert.equal(new BufferPool(0).take(1).bytes.length, 4096);
  });
});
