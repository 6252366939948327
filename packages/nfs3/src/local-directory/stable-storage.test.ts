import assert from 'node:assert/strict';
import { constants } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Inodes } from './inodes.ts';
import { OpenFiles } from './open-files.ts';
import { StableStorage } from './stable-storage.ts';

describe('the write verifier', () => {
  it('stays while fsync succeeds, and changes when one fails', async () => {
    const root = await mkdtemp(join(tmpdir(), 'rowfs-stable-'));
    await writeFile(join(root, 'file'), 'x');
    const inodes = new Inodes(root, { maxPins: 10, maxPlaces: 10, maxSearched: 10 });
    // A descriptor of O_PATH cannot be synced: a real failure of fsync(2), EBADF.
    const unsyncable = new OpenFiles(0o10000000, 10);
    const files = new OpenFiles(constants.O_WRONLY, 10);
    try {
      const stable = new StableStorage();
      const first = stable.verifier;
      const pin = inodes.pinEntry(inodes.root, 'file');
      assert.ok(pin !== undefined);
      await stable.syncFile(files, pin);
      assert.equal(stable.verifier, first);
      await assert.rejects(stable.syncFile(unsyncable, pin), { code: 'EBADF' });
      assert.notEqual(stable.verifier, first);
    } finally {
      files.close();
      unsyncable.close();
      inodes.close();
      await rm(root, { recursive: true });
    }
  });

  it('is another one at every start', () => {
    assert.notEqual(new StableStorage().verifier, new StableStorage().verifier);
  });
});
