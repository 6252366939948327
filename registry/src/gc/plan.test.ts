import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { planGc, versionsToDelete, type GcPolicy, type GcWorld } from './plan.ts';

const now = Date.UTC(2026, 5, 1);
const HOUR = 3_600_000;

function world(change: Partial<GcWorld> = {}): GcWorld {
  const history = ['v4', 'v3', 'v2', 'v1'].map((version, age) => ({
    version,
    published: now - (age + 1) * HOUR,
  }));
  return {
    appliance: 'debian@key',
    seq: 9,
    current: 'v4',
    published: now - HOUR,
    channels: {},
    history,
    retired: [],
    inFlight: [],
    sharers: new Map(history.map(({ version }) => [version, { count: 0, complete: true }])),
    now,
    ...change,
  };
}

const lax: GcPolicy = { keep: 1, graceSeconds: 0, pins: [] };

/** Any world: a history in any order, any of its versions in any use. */
const anyWorld = fc
  .uniqueArray(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 12 })
  .chain((numbers) => {
    const versions = numbers.map((n) => `v${n}`);
    const some = fc.subarray(versions);
    return fc.record({
      appliance: fc.constant('debian@key'),
      seq: fc.integer({ min: 1, max: 99 }),
      current: fc.constantFrom(...versions),
      published: fc.constant(now),
      channels: fc.dictionary(fc.constantFrom('beta', 'stable'), fc.constantFrom(...versions)),
      history: fc.constant(versions.map((version, i) => ({ version, published: now - i * HOUR }))),
      retired: fc.constant([]),
      inFlight: some,
      sharers: fc
        .array(
          fc.tuple(
            fc.constantFrom(...versions),
            fc.record({ count: fc.nat(3), complete: fc.boolean() }),
          ),
        )
        .map((entries) => new Map(entries)),
      now: fc.constant(now),
    });
  });
const anyPolicy = fc.record({
  keep: fc.nat(5),
  graceSeconds: fc.nat(20_000),
  pins: fc.array(
    fc.nat(30).map((n) => `v${n}`),
    { maxLength: 3 },
  ),
});

describe('gc plan', () => {
  it('deletes only what is definitely unused, whatever the world', () => {
    fc.assert(
      fc.property(anyWorld, anyPolicy, (any, policy) => {
        const plan = planGc(any, policy);
        assert.equal(plan.decisions.length, any.history.length, 'each version has its decision');
        const deleted = versionsToDelete(plan);
        for (const version of deleted) {
          const { count, complete } = any.sharers.get(version)!;
          assert.ok(count === 0 && complete);
          assert.notEqual(version, any.current);
          assert.ok(!any.inFlight.includes(version));
          assert.ok(!policy.pins.includes(version));
          assert.ok(!Object.values(any.channels).includes(version));
        }
        const kept = any.history.length - deleted.length;
        assert.ok(kept >= Math.min(policy.keep, any.history.length));
      }),
      { numRuns: 500 },
    );
  });

  it('never deletes more because a version got more use', () => {
    fc.assert(
      fc.property(anyWorld, anyPolicy, fc.nat(11), (any, policy, pick) => {
        const { version } = any.history[pick % any.history.length]!;
        const sharers = new Map(any.sharers).set(version, { count: 1, complete: true });
        const before = new Set(versionsToDelete(planGc(any, policy)));
        for (const gone of versionsToDelete(planGc({ ...any, sharers }, policy))) {
          assert.ok(before.has(gone) && gone !== version);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('gives each version its reason', () => {
    const decisions = planGc(
      world({
        sharers: new Map([
          ['v4', { count: 9, complete: true }],
          ['v3', { count: 3, complete: true }],
          ['v2', { count: 0, complete: false }],
          ['v1', { count: 0, complete: true }],
        ]),
      }),
      lax,
    ).decisions;
    assert.deepEqual(
      decisions.map(({ version, decision, text }) => [version, decision, text]),
      [
        ['v4', 'keep', 'current version'],
        ['v3', 'keep', '3 sharers'],
        ['v2', 'keep', 'sharers cannot be counted, so it counts as in use'],
        ['v1', 'delete', 'nobody uses it'],
      ],
    );
    const reason = (change: Partial<GcWorld>, policy: GcPolicy) =>
      planGc(world(change), policy).decisions[1]?.text;
    assert.equal(reason({}, { ...lax, keep: 2 }), 'one of the 2 newest');
    assert.equal(reason({}, { ...lax, pins: ['v3'] }), 'pinned');
    assert.equal(reason({ channels: { beta: 'v3' } }, lax), 'channel beta');
    assert.match(reason({ inFlight: ['v3'] }, lax) ?? '', /publish/);
    assert.equal(reason({}, { ...lax, graceSeconds: 3700 }), 'in grace for 100 s more');
    assert.equal(reason({}, { ...lax, graceSeconds: 3600 }), 'nobody uses it');
  });

  it('has the same id as long as the decisions and the record are the same', () => {
    const used = (count: number) =>
      world({ sharers: new Map([['v3', { count, complete: true }]]), now: now + count });
    assert.equal(planGc(used(3), lax).id, planGc(used(4), lax).id);
    assert.notEqual(planGc(world(), lax).id, planGc(used(3), lax).id);
    assert.notEqual(planGc(world(), lax).id, planGc(world({ seq: 10 }), lax).id);
  });
});
