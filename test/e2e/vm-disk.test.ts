/**
 * A virtual machine monitor that knows nothing of rowfs: QEMU opens the disk of a machine in the image with its own NFS driver, and
 * boots Debian from it, with the image server far away. The proxy dies under the machine, which goes on when it is back.
 */
import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import {
  diskAppliance,
  type DiskAppliance,
  type DiskFormat,
  diskPath,
} from '../support/disk-appliance.ts';
import { DiskMachine, switchOff } from '../support/disk-machine.ts';
import type { Guest } from '../support/guest.ts';
import { networkNamespace } from '../support/network-namespace.ts';
import { relayInNetwork } from '../support/relay-in-network.ts';
import { requires } from '../support/requirements.ts';
import { askRowfs, type ReadyProxy, startRowfs } from '../support/rowfs.ts';
import { testScope } from '../support/test-scope.ts';

/** The shorter of the papers' two links. */
const LINK = { roundTripMs: 23, bytesPerSecond: 12_500_000 };
/** On a busy machine. */
const STEP_TIMEOUT_MS = 300_000;

test(
  'QEMU boots from a disk in the image: only what it touches crosses the link, and what it writes stays here',
  { concurrency: 2, skip: requires('network-namespace', 'qemu', 'nfs-tools', 'disk-boot') },
  async (t) => {
    const appliance = await diskAppliance();
    await Promise.all(
      (['raw', 'qcow2'] as const).map((format) =>
        t.test(format, (subtest) => bootsTwice(subtest, appliance, format)),
      ),
    );
    const scope = await testScope(t);
    const { same } = await askRowfs<{ same: boolean }>(
      ['image', 'verify', join(appliance.tree, '.rowfs/manifest'), appliance.tree],
      { directory: scope.directory, owner: 'publisher', timeoutMs: 120_000 },
    );
    assert.ok(same, 'the image was not written to');
  },
);

async function bootsTwice(
  t: TestContext,
  { tree, digest }: DiskAppliance,
  format: DiskFormat,
): Promise<void> {
  const scope = await testScope(t);
  const { directory } = scope;
  // QEMU's driver asks a portmapper, at 111.
  const { enter } = scope.own(await networkNamespace(directory));
  const serve = ['serve', tree, '--listen', '127.0.0.1:0'];
  const server = scope.own(
    await startRowfs<{ port: number }>(serve, { directory, owner: 'server', enter }),
  );
  const targetPorts = [server.ready.port];
  const link = scope.own(await relayInNetwork({ enter }, directory, { ...LINK, targetPorts }));
  const bytesOverLink = async (): Promise<number> => (await link.crossed()).bytes.toClient;
  const startProxy = async () =>
    scope.own(
      await startRowfs<ReadyProxy>(
        [
          ...['proxy', '--server', `127.0.0.1:${link.ports[0] ?? 0}:/`, '--digest', digest],
          ...['--listen', '127.0.0.1:2049', '--rest', '127.0.0.1:0', '--portmap', '111'],
        ],
        { directory, owner: 'machine', enter },
      ),
    );
  const disk = `nfs://127.0.0.1/${diskPath(format)}`;
  const machine = new DiskMachine({ directory, enter, disk, format, cache: 'writethrough' });
  const boot = async (): Promise<Guest> => {
    const guest = scope.own(await machine.switchOn());
    await guest.booted;
    return guest;
  };

  const killed = await startProxy();
  const first = await boot();
  const { size } = await stat(join(tree, diskPath(format)));
  const untilBooted = await bytesOverLink();
  t.diagnostic(`${untilBooted} bytes of a disk of ${size} crossed the link in the first boot`);
  assert.ok(untilBooted < size / 2, `${untilBooted} bytes crossed the link`);
  await first.run('head -c 3000000 /dev/urandom >/var/big && sha256sum /var/big >/etc/written');
  const writing = first.run(
    'for i in $(seq 20); do head -c 100000 /dev/urandom >/var/$i; sync; sha256sum /var/$i; done >/etc/more',
    { timeoutMs: STEP_TIMEOUT_MS },
  );
  await first.run('until [ -e /var/5 ]; do sleep 0.1; done', { timeoutMs: STEP_TIMEOUT_MS });
  await killed.close();
  await startProxy();
  await writing;
  await switchOff(first);

  const before = await bytesOverLink();
  const second = await boot();
  await second.run('sha256sum --check --strict /etc/written /etc/more');
  const again = (await bytesOverLink()) - before;
  t.diagnostic(`${again} bytes crossed it in the second`);
  assert.ok(again < untilBooted / 10, `${again} bytes crossed the link again`);
  const { stdout: log } = await second.run('dmesg --level=emerg,alert,crit,err');
  assert.doesNotMatch(log, /vda|ext4/i);
  await switchOff(second);
}
