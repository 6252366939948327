import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { UseRegistry } from '@rowfs/proxy';
import { sharedUses } from './shared-uses.ts';
import { SwitchedUses } from './switched-uses.ts';

/** A registry that lists the versions in use. */
function registry(): UseRegistry & { readonly inUse: string[] } {
  const inUse: string[] = [];
  return {
    inUse,
    async hold({ version = '' }) {
      inUse.push(version);
      return { release: async () => void inUse.splice(inUse.indexOf(version), 1) };
    },
  };
}

const v1 = { appliance: 'debian', version: 'v1', servers: [] };
const v2 = { ...v1, version: 'v2' };

describe('uses of several machines', () => {
  it('are one to the registry, until the last ends', async () => {
    const uses = registry();
    const shared = sharedUses(uses);
    const [first, second, third] = await Promise.all([v1, v1, v2].map((each) => shared.hold(each)));
    assert.deepEqual(uses.inUse, ['v1', 'v2']);
    await first?.release();
    await first?.release();
    assert.deepEqual(uses.inUse, ['v1', 'v2'], 'released twice is released once');
    await second?.release();
    assert.deepEqual(uses.inUse, ['v2']);
    await third?.release();
    await (await shared.hold(v1)).release();
    assert.deepEqual(uses.inUse, []);
  });

  it('that could not be announced are tried again', async () => {
    const uses = registry();
    let isDown = true;
    const shared = sharedUses({
      hold: (location) => (isDown ? Promise.reject(new Error('down')) : uses.hold(location)),
    });
    await assert.rejects(shared.hold(v1), /down/);
    isDown = false;
    await shared.hold(v1);
    assert.deepEqual(uses.inUse, ['v1']);
  });
});

describe('the use of a machine', () => {
  it('pauses while it is off', async () => {
    const uses = registry();
    const switched = new SwitchedUses(uses);
    const lease = await switched.hold(v1);
    await switched.switch(false);
    assert.deepEqual(uses.inUse, []);
    await switched.switch(true);
    await switched.switch(true);
    assert.deepEqual(uses.inUse, ['v1']);
    await switched.switch(false);
    await lease.release();
    assert.deepEqual(uses.inUse, []);
    await switched.switch(true);
    assert.deepEqual(uses.inUse, [], 'a use that ended does not come back');
  });
});
