import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { memoryStore } from '../store.ts';
import { SharersTable } from '../tables/sharers-table.ts';
import { VirtualClock } from '../twin/virtual-clock.ts';
import { ClientCounts } from './client-counts.ts';
import { HLL_REGISTERS, HyperLogLog } from './hyperloglog.ts';
import { LeaseCrowd } from './lease-crowd.ts';
import { leaseHash } from './lease-hash.ts';
import { unionOfSharers } from './union.ts';
import { levelOf, MAX_NAMED, MAX_SAMPLE, type SharersCount } from './version-leases.ts';

const version = { appliance: 'debian@key', version: 'v1' };
const terms = { ...version, lease: 'root', ttlSeconds: 60 };

function sketchOf(from: number, to: number): HyperLogLog {
  const sketch = new HyperLogLog();
  for (let i = from; i < to; i += 1) sketch.add(leaseHash(`client ${i}`, 'root').high);
  return sketch;
}

describe('HyperLogLog', () => {
  it('estimates sets of all sizes within 2 %, small ones within one', () => {
    for (const size of [0, 1, 10, 1000, 10_000, 30_000, 60_000, 300_000]) {
      const estimate = sketchOf(0, size).estimate();
      assert.ok(Math.abs(estimate - size) <= Math.max(size * 0.02, 0.5), `${size}: ${estimate}`);
    }
  });

  it('of a foreign sketch never exceeds what the registers can say', () => {
    fc.assert(
      fc.property(fc.nat(255), (register) => {
        const estimate = new HyperLogLog(new Uint8Array(HLL_REGISTERS).fill(register)).estimate();
        assert.ok(estimate >= 0);
      }),
    );
  });
});

describe('a crowd of leases', () => {
  const lease = fc.nat(400).map((i) => leaseHash('client', String(i)));
  const change = fc.record({
    what: fc.constantFrom('set' as const, 'set' as const, 'delete' as const, 'sweep' as const),
    lease,
    at: fc.integer({ min: 1, max: 1000 }),
  });

  it('is the same as a Map, whatever is done', () => {
    fc.assert(
      fc.property(fc.array(change, { minLength: 50, maxLength: 600 }), (changes) => {
        const crowd = new LeaseCrowd();
        const map = new Map<number, { hash: ReturnType<typeof leaseHash>; expires: number }>();
        for (const { what, lease: hash, at } of changes) {
          if (what === 'set') {
            crowd.set(hash, 7, at);
            map.set(hash.high, { hash, expires: at });
          } else if (what === 'delete') {
            crowd.delete(hash);
            map.delete(hash.high);
          } else {
            let ended = 0;
            crowd.sweep(at, () => (ended += 1));
            for (const [key, { expires }] of map) {
              if (expires > at) continue;
              map.delete(key);
              ended -= 1;
            }
            assert.equal(ended, 0);
          }
          assert.equal(crowd.size, map.size);
        }
        for (const { hash } of map.values()) assert.ok(crowd.has(hash));
      }),
      { numRuns: 100 },
    );
  });

  it('counts the leases of each client', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(99)), { maxLength: 500 }), (changes) => {
        const counts = new ClientCounts();
        const expected = new Map<number, number>();
        for (const [isMore, client] of changes) {
          const before = expected.get(client) ?? 0;
          if (isMore) counts.increment(client);
          else counts.decrement(client);
          expected.set(client, Math.max(0, before + (isMore ? 1 : -1)));
        }
        for (const [client, count] of expected) assert.equal(counts.of(client), count);
        assert.equal(
          counts.total,
          [...expected.values()].reduce((a, b) => a + b, 0),
        );
      }),
    );
  });

  it('keeps a sample of bounded size', () => {
    for (const size of [1, MAX_SAMPLE, MAX_SAMPLE + 1, 1_000_000, 2_000_000]) {
      const sampled = size / 2 ** levelOf(size);
      assert.ok(sampled <= MAX_SAMPLE && (size <= MAX_SAMPLE || sampled > MAX_SAMPLE / 2));
    }
  });
});

describe('the union of what storing nodes tell', () => {
  const crowd = (from: number, to: number): SharersCount => ({
    count: to - from,
    sharers: [],
    sketch: sketchOf(from, to).registers,
    unsure: false,
  });
  const named = (...clients: string[]): SharersCount => ({
    count: clients.length,
    sharers: clients.map((client) => ({ client, lease: 'root' })),
    sketch: null,
    unsure: false,
  });
  const liar = {
    count: 10 ** 9,
    sharers: [],
    sketch: new Uint8Array(HLL_REGISTERS).fill(18),
    unsure: false,
  };

  it('is exact while all are named', () => {
    const { count, exact } = unionOfSharers([named('a', 'b'), named('b', 'c'), named()]);
    assert.deepEqual([count, exact], [3, true]);
  });

  it('is the count of each when all tell the same', () => {
    const same = crowd(0, 5000);
    assert.equal(unionOfSharers([same, same, same, same]).count, 5000);
  });

  it('counts what some of them miss, within 2 %', () => {
    const answers = [
      [0, 60_000],
      [20_000, 80_000],
      [40_000, 100_000],
      [0, 50_000],
      [50_000, 100_000],
    ].map(([from = 0, to = 0]) => crowd(from, to));
    const { count, exact } = unionOfSharers(answers);
    assert.equal(exact, false);
    assert.ok(Math.abs(count - 100_000) <= 2000, String(count));
  });

  it('is not raised by one node that lies, and not 0 while one node tells of a lease', () => {
    const same = crowd(0, 5000);
    assert.equal(unionOfSharers([same, same, same, liar]).count, 5000);
    assert.ok(unionOfSharers([named(), named(), named(), liar]).count >= 1);
    assert.equal(unionOfSharers([named(), named(), named('a')]).count, 1);
  });
});

describe('a storing node with many sharers', () => {
  async function fill(table: SharersTable, clients: number, ttlSeconds = 60): Promise<number[]> {
    const refreshes: number[] = [];
    for (let i = 0; i < clients; i += 1) {
      refreshes.push(await table.put(`client ${i}`, { ...terms, ttlSeconds }));
    }
    return refreshes;
  }
  const get = (table: SharersTable) => table.get(version.appliance, version.version);
  const setUp = () => {
    const [store, clock] = [memoryStore(), new VirtualClock()];
    return { store, clock, table: new SharersTable(store, clock) };
  };

  it('names them while they are few, then counts them, and names them again', async () => {
    const { clock, table, store } = setUp();
    await fill(table, MAX_NAMED);
    assert.deepEqual([get(table).count, get(table).sketch], [MAX_NAMED, null]);
    assert.equal(store.entries('sharers/').length, MAX_NAMED);
    await table.put('one more', terms);
    const crowd = get(table);
    assert.deepEqual([crowd.count, crowd.sharers.length], [MAX_NAMED + 1, 0]);
    assert.ok(crowd.sketch !== null);
    assert.equal(store.entries('sharers/').length, 0, 'a crowd is one record on disk');
    assert.equal(store.entries('crowds/').length, 1);
    await clock.advance(30_000);
    await fill(table, 3);
    await clock.advance(30_000);
    assert.equal(get(table).count, 3, 'the others were not heard of for a TTL');
    await fill(table, 3);
    assert.deepEqual([get(table).sharers.length, get(table).sketch], [3, null]);
  });

  it('ends a lease at once when it is released, also in a crowd', async () => {
    const { clock, table } = setUp();
    await fill(table, MAX_NAMED + 100);
    for (let i = 0; i < MAX_NAMED + 100; i += 1) await table.release(`client ${i}`, terms);
    await clock.advance(1000);
    assert.deepEqual(get(table), { count: 0, sharers: [], sketch: null, unsure: false });
  });

  it('does not know, after a restart, for as long as a forgotten lease may live', async () => {
    const { store, clock, table } = setUp();
    await fill(table, MAX_NAMED + 1, 90);
    const restarted = new SharersTable(store, clock);
    assert.deepEqual([get(restarted).count, get(restarted).unsure], [0, true]);
    await clock.advance(89_999);
    assert.equal(get(restarted).unsure, true);
    await clock.advance(1);
    assert.equal(get(restarted).unsure, false);
    assert.equal(store.entries('crowds/').length, 0);
  });

  it('lets one client raise the count of a version by 256 and no more', async () => {
    const { table } = setUp();
    const put = (i: number) => table.put('greedy', { ...terms, lease: String(i) });
    for (let i = 0; i < 256; i += 1) await put(i);
    await assert.rejects(put(256), { code: 'QUOTA_EXCEEDED' });
    assert.equal(await put(0), 30, 'it may refresh what it has');
    await table.release('greedy', { ...terms, lease: '7' });
    await put(256);
    await fill(table, MAX_NAMED);
    await assert.rejects(put(257), { code: 'QUOTA_EXCEEDED' });
  });

  it('asks most clients of a very large set to come back late, and counts by the others', async () => {
    const { clock, table } = setUp();
    const clients = MAX_SAMPLE + 5000;
    await fill(table, clients);
    const refreshes = await fill(table, 5000);
    const soon = refreshes.filter((seconds) => seconds === 30).length;
    assert.ok(Math.abs(soon / 5000 - 1 / 2) < 0.05, 'one in two');
    assert.ok(Math.abs(get(table).count / clients - 1) < 0.02);
    await clock.advance(61_000);
    assert.ok(get(table).count >= 1, 'some were told to come back late');
    await clock.advance(3600_000);
    assert.equal(get(table).count, 0);
  });
});
