/**
 * The baseline of every end-to-end test: the same workloads that later go through the proxy, on an
 * unmodified server mounted directly by unmodified clients. What fails here is not the proxy's fault.
 */
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { startGanesha } from '../support/ganesha.ts';
import { bootGuest } from '../support/guest.ts';
import { guestImage } from '../support/guest-image.ts';
import {
  compileProgram,
  describeTreeInGuest,
  findEverythingAsLeft,
  readTree,
  unpackAndDiff,
  writeRenameDelete,
} from '../support/guest-workloads.ts';
import { nfsCat, nfsCopyFrom, nfsCopyTo, nfsLs } from '../support/libnfs.ts';
import { requires } from '../support/requirements.ts';
import { makeSampleTree } from '../support/sample-tree.ts';
import { testScope } from '../support/test-scope.ts';
import { describeTree } from '../support/tree-description.ts';

const MOUNTPOINT = '/mnt/nfs';

test(
  "the kernel's client works on an unmodified server, across its death and return",
  { skip: requires('ganesha', 'qemu', 'guest-image') },
  async (t) => {
    const scope = await testScope(t);
    const exported = join(scope.directory, 'export');
    await mkdir(exported);
    await makeSampleTree(exported, { seed: 1 });
    const source = await describeTree(exported);
    const server = scope.own(
      await startGanesha({
        exports: [{ path: exported, access: 'read-write' }],
        directory: scope.directory,
      }),
    );
    const guest = scope.own(
      await bootGuest({ image: await guestImage(), directory: scope.directory }),
    );
    await guest.mount({ server, path: exported, mountpoint: MOUNTPOINT });

    await readTree(guest, MOUNTPOINT, source);
    await compileProgram(guest, MOUNTPOINT);
    await unpackAndDiff(guest, MOUNTPOINT);
    await writeRenameDelete(guest, MOUNTPOINT);
    const left = await describeTreeInGuest(guest, MOUNTPOINT);

    // A step begun while the server is dead hangs and goes on when it is back, with the same handles.
    await server.kill();
    const heldStep = findEverythingAsLeft(guest, MOUNTPOINT, left);
    await server.start();
    await heldStep;

    await guest.unmount(MOUNTPOINT);
    assert.deepEqual(await describeTree(exported), left, 'the server holds what the guest saw');
  },
);

test('libnfs works on an unmodified server', { skip: requires('ganesha', 'libnfs') }, async (t) => {
  const scope = await testScope(t);
  const exported = join(scope.directory, 'export');
  await mkdir(exported);
  await makeSampleTree(exported, { seed: 2, randomFiles: 0 });
  const server = scope.own(
    await startGanesha({
      exports: [{ path: exported, access: 'read-write' }],
      directory: scope.directory,
    }),
  );

  const listed = await nfsLs(server, `${exported}/sizes`);
  assert.equal(listed.find(({ name }) => name === '1048577 bytes')?.size, 1_048_577);
  const file = `${exported}/sizes/3145733 bytes`;
  assert.deepEqual(Buffer.from(await nfsCat(server, file)), await readFile(file));

  const local = join(scope.directory, 'local');
  await writeFile(local, await readFile(file));
  await nfsCopyTo(server, local, `${exported}/uploaded`);
  await nfsCopyFrom(server, `${exported}/uploaded`, join(scope.directory, 'downloaded'));
  assert.deepEqual(await readFile(join(scope.directory, 'downloaded')), await readFile(local));
});
