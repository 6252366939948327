import assert from 'node:assert/strict';
import test from 'node:test';
import type { ChaosEvent } from './history.ts';
import { judge } from './verdicts.ts';

const terms = { leaseSeconds: 10, pollSeconds: 1 };

/** A run in which every promise was put to the test, and held. */
const good: readonly ChaosEvent[] = [
  { at: 0, kind: 'published', version: 'v1', seq: 1 },
  { at: 100, kind: 'mounted', proxy: 'proxy 1', version: 'v1' },
  { at: 200, kind: 'read', proxy: 'proxy 1', version: 'v1', path: '/a', ms: 3 },
  { at: 300, kind: 'resolved', observer: 'o', version: 'v1', seq: 1, isStale: false },
  { at: 20_000, kind: 'published', version: 'v2', seq: 2 },
  { at: 20_100, kind: 'resolved', observer: 'o', version: 'v2', seq: 2, isStale: false },
  { at: 20_200, kind: 'unmounted', proxy: 'proxy 1', how: 'killed' },
  { at: 21_000, kind: 'mounted', proxy: 'proxy 1', version: 'v1' },
  { at: 21_100, kind: 'collected', since: 11_000, versions: [] },
  { at: 22_000, kind: 'unmounted', proxy: 'proxy 1', how: 'ended' },
  { at: 22_100, kind: 'mounted', proxy: 'proxy 1', version: 'v2' },
  { at: 40_000, kind: 'collected', since: 29_000, versions: ['v1'] },
  { at: 50_000, kind: 'calm' },
  { at: 50_100, kind: 'resolved', observer: 'o', version: 'v2', seq: 2, isStale: false },
  { at: 50_200, kind: 'counted', version: 'v2', count: 1, isComplete: true, running: 1 },
  { at: 60_000, kind: 'lease-ended', proxy: 'proxy 1', afterMs: 9_000 },
];

const brokenBy = (events: readonly ChaosEvent[]): string[] =>
  judge(events, terms)
    .filter(({ held }) => !held)
    .map(({ broken }) => broken.join('\n'));

/** The good run with one event in another one's place. */
function withEvent(at: number, event: ChaosEvent): ChaosEvent[] {
  return good.map((each) => (each.at === at ? event : each));
}

test('a good run holds every promise', () => {
  assert.deepEqual(brokenBy(good), []);
});

test('a promise that was never put to the test does not count as held', () => {
  const broken = brokenBy([]);
  assert.equal(broken.length, judge([], terms).length);
  for (const line of broken) assert.match(line, /never put to the test/);
});

const broken: readonly (readonly [string, ChaosEvent, RegExp])[] = [
  [
    'a wrong byte',
    { at: 200, kind: 'read', proxy: 'p', version: 'v1', path: '/a', ms: 3, wrong: 'other bytes' },
    /^0\.2 s: p reads \/a of v1: other bytes$/,
  ],
  [
    'a newest version that goes back',
    { at: 300, kind: 'resolved', observer: 'o', version: 'v9', seq: 9, isStale: false },
    /o is told v2 \(seq 2\), and was told v9 \(seq 9\) at 0\.3 s/,
  ],
  [
    'an acknowledged version that is not found',
    { at: 20_000, kind: 'published', version: 'v3', seq: 3 },
    /o finds v2 \(seq 2\), not v3 \(seq 3\) of 20\.0 s/,
  ],
  [
    'a stale answer when all is repaired',
    { at: 50_100, kind: 'resolved', observer: 'o', version: 'v2', seq: 2, isStale: true },
    /o finds v2 \(seq 2, stale\)/,
  ],
  [
    'no answer when all is repaired',
    { at: 50_100, kind: 'not-resolved', observer: 'o', reason: 'nobody answers' },
    /o finds nothing: nobody answers/,
  ],
  [
    'a version that gc lets go while it runs',
    { at: 40_000, kind: 'collected', since: 29_000, versions: ['v2'] },
    /lets v2 go, which proxy 1 runs since 22\.1 s/,
  ],
  [
    'a version that gc lets go when it runs again after a crash',
    { at: 21_100, kind: 'collected', since: 11_000, versions: ['v1'] },
    /lets v1 go, which proxy 1 runs since 0\.1 s/,
  ],
  [
    'a machine that is not counted',
    { at: 50_200, kind: 'counted', version: 'v2', count: 1, isComplete: true, running: 2 },
    /2 run v2, the registry counts 1$/,
  ],
  [
    'a count that nobody can be sure of',
    { at: 50_200, kind: 'counted', version: 'v2', count: 1, isComplete: false, running: 1 },
    /counts 1, and is not sure of it/,
  ],
  [
    'a lease that ends late',
    { at: 60_000, kind: 'lease-ended', proxy: 'p', afterMs: 11_001 },
    /the lease of p ended 11\.0 s after its process/,
  ],
  [
    'a lease that stays',
    { at: 60_000, kind: 'lease-stays', proxy: 'p', afterMs: 20_000 },
    /the lease of p is there 20\.0 s later/,
  ],
];

for (const [name, event, expected] of broken) {
  test(`found: ${name}`, () => {
    const [line, ...others] = brokenBy(withEvent(event.at, event));
    assert.match(line ?? '', expected);
    assert.deepEqual(others, []);
  });
}
