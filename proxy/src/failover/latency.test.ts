import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { LatencyEstimator } from './latency.ts';

const latencies = fc.array(fc.double({ min: 0, max: 1e5, noNaN: true }), { minLength: 1 });

describe('LatencyEstimator', () => {
  it('never calls late what is not slower than everything before, nor what is within the floor', () => {
    fc.assert(
      fc.property(latencies, fc.double({ min: 1, max: 1000, noNaN: true }), (observed, floor) => {
        const estimator = new LatencyEstimator(floor);
        assert.equal(estimator.patienceMs, floor);
        for (const ms of observed) estimator.observe(ms);
        assert.ok(estimator.patienceMs >= Math.max(floor, Math.min(...observed) * (1 - 1e-9)));
      }),
    );
  });

  it('follows a server that became slow, and one that became quick again', () => {
    const estimator = new LatencyEstimator(10);
    const patienceAfter = (calls: number, ms: number): number => {
      for (let call = 0; call < calls; call++) estimator.observe(ms);
      return estimator.patienceMs;
    };
    assert.equal(patienceAfter(20, 1), 10);
    assert.ok(patienceAfter(20, 500) > 400);
    assert.equal(patienceAfter(100, 1), 10);
  });
});
