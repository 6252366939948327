import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AbsentPeers } from './absent-peers.ts';
import { generateIdentity } from './identity.ts';
import { VirtualClock } from './twin/virtual-clock.ts';

const peer = { id: generateIdentity().peerId, addresses: [] };
const MINUTE_MS = 60_000;

describe('a peer that is gone', () => {
  it('counts as a member for the longest lease and no longer, however often it fails to answer', async () => {
    const clock = new VirtualClock();
    const absent = new AbsentPeers(clock);
    for (let minutes = 0; minutes <= 60; minutes += 1) {
      absent.add(peer);
      assert.equal(absent.has(peer), true, `${minutes} minutes`);
      await clock.advance(MINUTE_MS);
    }
    absent.add(peer);
    assert.equal(absent.has(peer), false);
    assert.equal(absent.isSuspect(peer), true, 'and still nobody waits for it');
  });

  it('counts anew after it has answered', async () => {
    const clock = new VirtualClock();
    const absent = new AbsentPeers(clock);
    absent.add(peer);
    await clock.advance(59 * MINUTE_MS);
    absent.remove(peer);
    absent.add(peer);
    await clock.advance(59 * MINUTE_MS);
    assert.equal(absent.has(peer), true);
  });
});
