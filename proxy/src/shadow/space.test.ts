import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { describe, it } from 'node:test';
import { defaultReserve, NoSpaceError, Space, type SpaceLimits } from './space.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

function spaceOf(limits: SpaceLimits, records = 0): Space {
  return new Space(tmpdir(), limits, () => records);
}

void describe('the space of a shadow', () => {
  it('keeps a percent free, within bounds, and never most of a small disk', () => {
    assert.equal(defaultReserve(20 * GIB), Math.floor(0.2 * GIB));
    assert.equal(defaultReserve(10_000 * GIB), GIB);
    assert.equal(defaultReserve(2 * GIB), 64 * MIB);
    assert.equal(defaultReserve(64 * MIB), 8 * MIB);
  });

  it('grants what the quota has, counting records, contents and what was granted', () => {
    const space = spaceOf({ quota: 100_000, reserve: 0 }, 10_000);
    space.note(1, 40_000);
    const giveBack = space.claim(50_000);
    assert.throws(() => space.claim(1), NoSpaceError);
    assert.throws(() => space.checkNewObject(), NoSpaceError);
    giveBack();
    space.note(1, 50_000);
    space.note(2, 40_000);
    assert.throws(() => space.claim(1), NoSpaceError);
    space.note(2, 30_000);
    space.claim(10_000)();
    space.forget(1);
    space.claim(60_000)();
    assert.throws(() => space.claim(60_001), NoSpaceError);
  });

  it('grants nothing that would touch the reserve, and changes down to half of it', async () => {
    const { availableBytes } = await spaceOf({ reserve: 0 }).statistics();
    // Others write to this disk meanwhile: these are far from either limit.
    const full = spaceOf({ reserve: availableBytes * 1.5 });
    assert.throws(() => full.claim(1), { code: 'ENOSPC' });
    assert.throws(() => full.checkNewObject(), { code: 'ENOSPC' });
    full.checkChange();
    const worse = spaceOf({ reserve: availableBytes * 4 });
    assert.throws(() => worse.checkChange(), NoSpaceError);
  });

  it('lets writes pass that take nothing, when there is nothing left', () => {
    spaceOf({ quota: 0 }).claim(0)();
    spaceOf({ reserve: Number.MAX_SAFE_INTEGER }).claim(0)();
  });

  it('tells what is left: within the quota and above the reserve', async () => {
    const space = spaceOf({ quota: 100_000, reserve: 0 }, 10_000);
    space.note(1, 30_000);
    const { usedBytes, quotaBytes, availableBytes } = await space.statistics();
    assert.deepEqual([usedBytes, quotaBytes, availableBytes], [40_000, 100_000, 60_000]);
    space.note(2, 90_000);
    assert.equal((await space.statistics()).availableBytes, 0);
    const full = spaceOf({ reserve: Number.MAX_SAFE_INTEGER });
    assert.equal((await full.statistics()).availableBytes, 0);
  });
});
