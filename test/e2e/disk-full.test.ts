/**
 * A proxy whose shadow is on a disk of a few MiB: filled by its client up to the reserve, and by
 * somebody else to the last block. What was there stays as it was, and everything goes on when there
 * is space again.
 */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { StableHow } from '@rowfs/nfs3';
import { bootGuest } from '../support/guest.ts';
import { guestImage } from '../support/guest-image.ts';
import { MountedTree } from '../support/mounted-tree.ts';
import { requires } from '../support/requirements.ts';
import { type ReadyProxy, startRowfs, stateOf } from '../support/rowfs.ts';
import { smallDisk, type SmallDiskKind } from '../support/small-disk.ts';
import { testScope } from '../support/test-scope.ts';

const MIB = 2 ** 20;
const DISK_BYTES = 32 * MIB;
const CHUNK = 256 * 1024;
const BLOCK = 4096;
/** Files of the image whose names are seen only when the disk counts as full. */
const MANY = 2000;

async function fullDisk(t: TestContext, kind: SmallDiskKind): Promise<void> {
  const scope = await testScope(t);
  const { directory } = scope;
  const image = join(directory, 'image');
  await mkdir(image);
  const original = Buffer.alloc(3 * MIB, 'image ');
  await writeFile(join(image, 'of-the-image'), original);
  for (let index = 0; index < MANY; index += 1) await writeFile(join(image, `many-${index}`), '');
  const server = scope.own(
    await startRowfs<{ port: number }>(['serve', image, '--listen', '127.0.0.1:0'], {
      directory,
      owner: 'server',
    }),
  );
  const owner = 'machine';
  const state = stateOf({ directory, owner });
  const disk = scope.own(
    await smallDisk({ kind, bytes: DISK_BYTES, mountpoint: state, directory }),
  );
  const startProxy = async () =>
    startRowfs<ReadyProxy>(
      [
        ...['proxy', '--server', `127.0.0.1:${server.ready.port}:/`],
        ...['--listen', '127.0.0.1:0', '--rest', '127.0.0.1:0'],
      ],
      { directory, owner, enter: disk.enter },
    );
  const proxy = scope.own(await startProxy());
  const tree = scope.own(await MountedTree.mount(proxy.ready));

  const kept = Buffer.alloc(MIB, 'kept ');
  assert.equal(await tree.create('kept'), 'NFS3_OK');
  assert.equal(await tree.write('kept', 0, kept, StableHow.FILE_SYNC), 'NFS3_OK');
  assert.equal(await tree.create('big'), 'NFS3_OK');

  // Filled by the client: all that was taken can be brought to stable storage.
  const size = await tree.fill('big');
  assert.ok(size > DISK_BYTES / 2, `${size} bytes fitted`);
  assert.ok((await tree.available()) < 2 * BLOCK, 'df tells that there is no room');
  assert.equal(await tree.commit('big'), 'NFS3_OK');
  assert.equal(await tree.create('another'), 'NFS3ERR_NOSPC');
  assert.equal(await tree.mkdir('another'), 'NFS3ERR_NOSPC');
  const changed = Buffer.alloc(CHUNK, 8);
  assert.equal(await tree.write('big', 0, changed, StableHow.FILE_SYNC), 'NFS3_OK');
  assert.deepEqual(await tree.content('kept'), kept);
  assert.deepEqual(await tree.content('of-the-image'), original);
  // What is seen for the first time takes space too, and must not take that of removals.
  assert.ok((await tree.names()).length > MANY);
  assert.equal(await tree.remove('many-1'), 'NFS3_OK');
  assert.equal(await tree.truncate('big', size / 2), 'NFS3_OK');
  assert.equal(await tree.create('another'), 'NFS3_OK');

  // Filled by somebody else to the last block: nothing of what was there is harmed.
  const filler = `${state}/filler`;
  await disk.run(`dd if=/dev/zero of='${filler}' bs=4096 2>/dev/null || true`);
  assert.equal(await tree.available(), 0);
  assert.equal(await tree.create('yet-another'), 'NFS3ERR_NOSPC');
  assert.equal(await tree.write('another', 0, changed, StableHow.FILE_SYNC), 'NFS3ERR_NOSPC');
  assert.deepEqual(await tree.content('kept'), kept);
  assert.deepEqual(await tree.content('of-the-image'), original);
  // Room for the record of it is found among records that were replaced, or it is not.
  const removed = await tree.remove('big');
  assert.match(removed, /^(NFS3_OK|NFS3ERR_NOSPC)$/);

  // Space again: everything goes on, without a new start and after one.
  await disk.run(`rm '${filler}'`);
  if (removed !== 'NFS3_OK') assert.equal(await tree.remove('big'), 'NFS3_OK');
  assert.equal(await tree.write('another', 0, changed, StableHow.FILE_SYNC), 'NFS3_OK');
  assert.equal(await tree.create('yet-another'), 'NFS3_OK');
  await tree.close();
  await proxy.stop();
  const again = scope.own(await startProxy());
  const after = scope.own(await MountedTree.mount(again.ready));
  assert.deepEqual(await after.content('kept'), kept);
  assert.deepEqual(await after.content('another'), changed);
  assert.deepEqual(await after.content('of-the-image'), original);
  assert.ok((await after.available()) > DISK_BYTES / 2, 'the space of removed files is back');
  await again.stop();
}

test(
  "the kernel's client has the quota for its disk",
  { skip: requires('qemu', 'guest-image') },
  async (t) => {
    const scope = await testScope(t);
    const { directory } = scope;
    const image = join(directory, 'image');
    await mkdir(image);
    await writeFile(join(image, 'of-the-image'), Buffer.alloc(MIB, 'image '));
    const server = scope.own(
      await startRowfs<{ port: number }>(['serve', image, '--listen', '127.0.0.1:0'], {
        directory,
        owner: 'server',
      }),
    );
    const proxy = scope.own(
      await startRowfs<ReadyProxy>(
        [
          ...['proxy', '--server', `127.0.0.1:${server.ready.port}:/`, '--quota', '16M'],
          ...['--listen', '127.0.0.1:0', '--rest', '127.0.0.1:0'],
        ],
        { directory, owner: 'machine' },
      ),
    );
    const guest = scope.own(await bootGuest({ image: await guestImage(), directory }));
    const { port: nfsPort, mountPort } = proxy.ready;
    const mountpoint = '/mnt/tree';
    await guest.mount({ server: { nfsPort, mountPort }, path: '/', mountpoint });

    /** In MiB: the kernel counts in blocks of the size of its WRITEs, and rounds up what is free. */
    const df = async (): Promise<{ size: number; available: number }> => {
      const { stdout } = await guest.run(`df -P -m ${mountpoint} | tail -n 1`);
      const [, size, , available] = stdout.split(/\s+/);
      return { size: Number(size), available: Number(available) };
    };
    const shadow = async (): Promise<{ usedBytes: number; availableBytes: number }> => {
      const { sessions } = (await (await fetch(`${proxy.ready.rest}/v1/sessions`)).json()) as {
        sessions: [{ shadow: { usedBytes: number; availableBytes: number } }];
      };
      return sessions[0].shadow;
    };
    assert.deepEqual(await df(), { size: 16, available: 16 });

    await guest.run(`echo kept >${mountpoint}/kept; sync`);
    const filling = `dd if=/dev/zero of=${mountpoint}/big bs=64k count=512 conv=fsync`;
    const filled = await guest.tryRun(filling);
    assert.notEqual(filled.status, 0);
    assert.match(filled.stderr, /No space left on device/);
    const { usedBytes, availableBytes } = await shadow();
    assert.ok(usedBytes <= 16 * MIB && availableBytes < MIB, `${usedBytes}, ${availableBytes}`);
    assert.ok((await df()).available <= 1);
    await guest.dropCaches();
    await guest.run(`grep -x kept ${mountpoint}/kept && grep -q image ${mountpoint}/of-the-image`);

    await guest.run(`rm ${mountpoint}/big && echo more >${mountpoint}/more && sync`);
    assert.ok((await shadow()).usedBytes < MIB);
    assert.deepEqual(await df(), { size: 16, available: 16 });
  },
);

test('a full disk harms nothing: tmpfs', { skip: requires('mount-namespace') }, (t) =>
  fullDisk(t, 'tmpfs'),
);

test('a full disk harms nothing: ext4', { skip: requires('loop-disk') }, (t) =>
  fullDisk(t, 'ext4'),
);
