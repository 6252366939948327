/**
 * The baseline of every end-to-end test: the same workloads that later go through the proxy, on an
 * unmodified server mounted directly by unmodified clients. What fails here is not the proxy's fault.
 */
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startGanesha } from '../support/ganesha.ts';
import { bootGuest } from '../support/guest.ts';
import { guestImage } from '../support/guest-image.ts';
import {
  changeSampleTree,
  compileProgram,
  describeTreeInGuest,
  findEverythingAsLeft,
  readTree,
  unpackAndDiff,
  writeRenameDelete,
} from '../support/guest-workloads.ts';
import { nfsCat, nfsCopyFrom, nfsCopyTo, nfsLs } from '../support/libnfs.ts';
import { startRelay } from '../support/relay.ts';
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
    const twin = join(scope.directory, 'twin');
    await mkdir(twin);
    await makeSampleTree(twin, { seed: 1 });
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
    await changeSampleTree(guest, MOUNTPOINT, twin);
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

test(
  "the kernel's client works through a bad link, and on a server that falls silent",
  { skip: requires('ganesha', 'qemu', 'guest-image') },
  async (t) => {
    const scope = await testScope(t);
    const exported = join(scope.directory, 'export');
    await mkdir(exported);
    await makeSampleTree(exported, { seed: 3, randomFiles: 20 });
    const source = await describeTree(exported);
    const server = scope.own(
      await startGanesha({
        exports: [{ path: exported, access: 'read-only' }],
        directory: scope.directory,
      }),
    );
    const relay = scope.own(await startRelay({ targetPorts: [server.nfsPort, server.mountPort] }));
    const [nfsPort = 0, mountPort = 0] = relay.ports;
    const guest = scope.own(
      await bootGuest({ image: await guestImage(), directory: scope.directory }),
    );
    await guest.mount({
      server: { nfsPort, mountPort },
      path: exported,
      mountpoint: MOUNTPOINT,
      extra: ['ro'],
    });

    const faults = [
      async () => relay.reset(),
      async () => {
        relay.blackHole();
        await delay(500);
        relay.restore();
      },
      async () => {
        server.pause();
        await delay(500);
        server.resume();
      },
    ];
    for (const fault of faults) {
      // In the middle of a read: when some calls have crossed since it began.
      const enoughCalls = relay.records.toServer + 50;
      const readEnded = new AbortController();
      const reading = readTree(guest, MOUNTPOINT, source).finally(() => readEnded.abort());
      while (!readEnded.signal.aborted && relay.records.toServer < enoughCalls) await delay(5);
      assert.ok(!readEnded.signal.aborted, 'the read was over before the fault');
      await fault();
      await reading;
    }
    const { status } = await guest.tryRun(`echo x >'${MOUNTPOINT}/refused'`);
    assert.notEqual(status, 0, 'a read-only export was written');
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
