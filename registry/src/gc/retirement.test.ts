import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { generateIdentity } from '../identity.ts';
import { type Latest, openLatest, signLatest } from '../records/latest.ts';
import {
  isDeletable,
  permitDeletion,
  reclaimVersion,
  restoreVersions,
  retireVersions,
} from './retirement.ts';

const key = generateIdentity();
const appliance = `debian@${key.peerId}`;
const names = Array.from({ length: 8 }, (_, i) => `v${i}`);

const published: Latest = {
  appliance,
  seq: 1,
  version: 'v0',
  channels: { stable: 'v0', beta: 'v1' },
  published: 1000,
  validUntil: 2000,
  history: names.map((version, age) => ({
    version,
    published: 1000 - age,
    manifest: null,
    bootProfile: null,
  })),
};

const some = fc.subarray(names.slice(1));
const step = fc.oneof(
  some.map((versions) => (latest: Latest) => retireVersions(latest, versions)),
  some.map((versions) => (latest: Latest) => restoreVersions(latest, versions)),
  some.map((versions) => (latest: Latest) => permitDeletion(latest, versions)),
  fc.constantFrom(...names).map((name) => (latest: Latest) => reclaimVersion(latest, name)),
);

describe('retirement', () => {
  it('makes records that hold, in which each version is in one list at most', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        let latest = published;
        for (const change of steps) {
          latest = { ...latest, ...change(latest) };
          // The judge of records refuses a version that is named twice.
          openLatest(signLatest(latest, key).bytes, appliance);
        }
        assert.ok(latest.history.some(({ version }) => version === 'v0'));
      }),
      { numRuns: 200 },
    );
  });

  it('permits deletion only of what was retired before', () => {
    assert.deepEqual(permitDeletion(published, ['v1']).deletable, []);
    const retired = { ...published, ...retireVersions(published, ['v1', 'v2']) };
    const permitted = { ...retired, ...permitDeletion(retired, ['v1']) };
    assert.deepEqual([isDeletable(permitted, 'v1'), isDeletable(permitted, 'v2')], [true, false]);
    assert.equal(isDeletable({ ...permitted, ...reclaimVersion(permitted, 'v1') }, 'v1'), false);
  });

  it('is undone whole, but for channels', () => {
    const retired = { ...published, ...retireVersions(published, ['v1', 'v2']) };
    assert.deepEqual(retired.channels, { stable: 'v0' });
    assert.deepEqual(restoreVersions(retired, ['v2', 'v1', 'v9']).history, published.history);
  });

  it('never takes the current version', () => {
    assert.throws(() => retireVersions(published, ['v0']), { code: 'VERSION_NOT_FOUND' });
  });
});
