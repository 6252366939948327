/**
 * The proof of the whole: the Linux kernel's own NFS client, in a guest, on a proxy that found two
 * unmodified servers through the registry. The servers are killed, the proxy is killed, and the guest
 * sees nothing but its files.
 */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
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
import { requires } from '../support/requirements.ts';
import { askRowfs, type ReadyProxy, type RowfsOptions, startRowfs } from '../support/rowfs.ts';
import { makeSampleTree } from '../support/sample-tree.ts';
import { type TestScope, testScope } from '../support/test-scope.ts';
import { describeTree } from '../support/tree-description.ts';

const MOUNTPOINT = '/mnt/nfs';

async function sampleTree(scope: TestScope, name: string): Promise<string> {
  const directory = join(scope.directory, name);
  await mkdir(directory);
  await makeSampleTree(directory, { seed: 1 });
  return directory;
}

interface SessionServer {
  readonly address: string;
  readonly state: string;
  readonly current: boolean;
}

async function sessionServers({ ready }: { ready: ReadyProxy }): Promise<readonly SessionServer[]> {
  const answer = await fetch(`${ready.rest}/v1/sessions`);
  const { sessions } = (await answer.json()) as { sessions: { servers: SessionServer[] }[] };
  return sessions[0]?.servers ?? [];
}

for (const kind of ['plain', 'verified'])
  test(
    `${kind}: the kernel's client lives through the death of its server and of the proxy`,
    { skip: requires('ganesha', 'qemu', 'guest-image') },
    async (t) => {
      const scope = await testScope(t);
      const { directory } = scope;
      const trees = [await sampleTree(scope, 'replica-a'), await sampleTree(scope, 'replica-b')];
      const twin = await sampleTree(scope, 'twin');
      const source = await describeTree(trees[0] ?? '');
      if (kind === 'verified')
        for (const tree of trees)
          await askRowfs(['image', 'build', tree], { directory, owner: 'publisher' });
      const before = await Promise.all(trees.map(describeTree));
      const servers = await Promise.all(
        trees.map(async (path, index) =>
          scope.own(
            await startGanesha({
              exports: [{ path, access: 'read-only' }],
              directory,
              name: `ganesha-${index}`,
            }),
          ),
        ),
      );

      const node = scope.own(
        await startRowfs<{ addresses: string[] }>(
          ['node', '--alone', '--listen', '/ip4/127.0.0.1/tcp/0', '--rest', '127.0.0.1:0'],
          { directory, owner: 'node' },
        ),
      );
      const registry = node.ready.addresses;
      const publisher: RowfsOptions = { directory, owner: 'publisher', registry };
      const addresses = servers.flatMap(({ nfsPort, mountPort }, index) => [
        '--server',
        `127.0.0.1:${nfsPort},${mountPort}:${trees[index] ?? ''}`,
      ]);
      const { appliance } = await askRowfs<{ appliance: string }>(
        [
          ...['publish', 'sample', '--version', 'v1', ...addresses],
          ...(kind === 'plain' ? ['--no-manifest'] : []),
        ],
        publisher,
      );

      const startProxy = async (listen: string) =>
        scope.own(
          await startRowfs<ReadyProxy>(
            ['proxy', appliance, '--listen', listen, '--rest', '127.0.0.1:0', '--lease', '5s'],
            { directory, owner: 'machine', registry },
          ),
        );
      const proxy = await startProxy('127.0.0.1:0');
      assert.equal(proxy.ready.version, 'v1');
      const guest = scope.own(await bootGuest({ image: await guestImage(), directory }));
      const { port, mountPort } = proxy.ready;
      await guest.mount({
        server: { nfsPort: port, mountPort },
        path: '/',
        mountpoint: MOUNTPOINT,
      });

      // Blocks come from all servers at once.
      const used = (await sessionServers(proxy)).find(
        (server) => server.current || kind === 'verified',
      );
      const current = used?.address ?? '';
      const chosen = servers.find(({ nfsPort }) => current.includes(`:${nfsPort}`));
      assert.ok(chosen !== undefined, `the proxy uses one of the servers, not '${current}'`);

      // The chosen server dies while the guest reads.
      const reading = readTree(guest, MOUNTPOINT, source);
      await guest.booted;
      await chosen.kill();
      await reading;

      await changeSampleTree(guest, MOUNTPOINT, twin);
      await compileProgram(guest, MOUNTPOINT);
      await unpackAndDiff(guest, MOUNTPOINT);
      await writeRenameDelete(guest, MOUNTPOINT);
      const left = await describeTreeInGuest(guest, MOUNTPOINT);

      // The proxy dies, and comes back on its port: the guest goes on with the handles it has.
      await proxy.process.kill('SIGKILL');
      const held = findEverythingAsLeft(guest, MOUNTPOINT, left);
      const again = await startProxy(`127.0.0.1:${port}`);
      await held;
      assert.equal(again.ready.version, 'v1');

      const sharers = async (): Promise<number> => {
        const answer = await askRowfs<{ versions: { count: number }[] }>(
          ['sharers', appliance, '--version', 'v1'],
          publisher,
        );
        return answer.versions[0]?.count ?? -1;
      };
      assert.ok((await sharers()) >= 1, 'the mounted version counts as used');
      await guest.unmount(MOUNTPOINT);
      await again.stop();
      if (kind === 'verified') {
        // All that a second run reads is in the cache: it calls no server, nor would one answer.
        for (const server of servers) if (server !== chosen) await server.kill();
        const second = await startProxy('127.0.0.1:0');
        await guest.mount({
          server: { nfsPort: second.ready.port, mountPort: second.ready.mountPort },
          path: '/',
          mountpoint: MOUNTPOINT,
        });
        await findEverythingAsLeft(guest, MOUNTPOINT, left);
        const states = (await sessionServers(second)).map(({ state }) => state);
        assert.deepEqual(states, ['idle', 'idle']);
        await guest.unmount(MOUNTPOINT);
        await second.stop();
      }
      assert.deepEqual(
        await Promise.all(trees.map(describeTree)),
        before,
        'no image was written to',
      );
    },
  );
