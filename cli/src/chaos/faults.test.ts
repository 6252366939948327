import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { planFaults } from './faults.ts';

const runs = fc.record({
  cast: fc.record({
    nodes: fc.integer({ min: 1, max: 12 }),
    servers: fc.integer({ min: 1, max: 4 }),
    clients: fc.integer({ min: 1, max: 4 }),
  }),
  terms: fc.record({
    seed: fc.nat(),
    seconds: fc.integer({ min: 1, max: 300 }),
    leaseSeconds: fc.integer({ min: 4, max: 60 }),
  }),
});

test('the seed alone decides what goes wrong', () => {
  fc.assert(
    fc.property(runs, ({ cast, terms }) => {
      assert.deepEqual(planFaults(cast, terms), planFaults(cast, terms));
    }),
  );
  const terms = { seconds: 120, leaseSeconds: 10 };
  const cast = { nodes: 5, servers: 2, clients: 2 };
  assert.notDeepEqual(
    planFaults(cast, { ...terms, seed: 1 }),
    planFaults(cast, { ...terms, seed: 2 }),
  );
});

test('one server works at any time, and all is repaired at the end', () => {
  fc.assert(
    fc.property(runs, ({ cast, terms }) => {
      const [nodes = [], servers = [], clients = []] = planFaults(cast, terms);
      for (const series of [nodes, servers, clients]) {
        let repairedAt = 0;
        for (const { at, seconds } of series) {
          assert.ok(at > repairedAt, 'one after the other');
          repairedAt = at + seconds;
        }
        assert.ok(repairedAt <= terms.seconds);
      }
      const whom = [nodes, servers, clients].map(
        (series) => new Set(series.map(({ fault }) => ('whom' in fault ? fault.whom : 'node'))),
      );
      const expected = [nodes.length > 0 ? ['node'] : [], ['server'], ['proxy']];
      for (const [index, set] of whom.entries())
        assert.ok([...set].every((each) => expected[index]?.includes(each)));
      if (cast.servers === 1) assert.deepEqual(servers, []);
    }),
  );
});

test('nobody is cut off for so long that a lease ends', () => {
  fc.assert(
    fc.property(runs, ({ cast, terms }) => {
      for (const { seconds, fault } of planFaults(cast, terms).flat()) {
        assert.ok(seconds < terms.leaseSeconds / 2);
        const numbers = fault.what === 'partition' ? fault.nodes : [fault.number];
        assert.equal(new Set(numbers).size, numbers.length);
      }
    }),
  );
});
