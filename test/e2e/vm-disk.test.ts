/**
 * A virtual machine monitor that knows nothing of rowfs: QEMU opens the disk of a machine in the image with its own NFS driver, and
 * boots Debian from it, with the image server far away.
 */
import assert from 'node:assert/strict';
import { copyFile, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { execa } from 'execa';
import { cachedDirectory } from '../support/cache-directory.ts';
import { debianAppliance } from '../support/debian-appliance.ts';
import { KERNEL_OPTIONS } from '../support/diskless-network.ts';
import { type Guest, startMachine } from '../support/guest.ts';
import { networkNamespace } from '../support/network-namespace.ts';
import { relayInNetwork } from '../support/relay-in-network.ts';
import { requires } from '../support/requirements.ts';
import { askRowfs, type ReadyProxy, startRowfs } from '../support/rowfs.ts';
import { testScope } from '../support/test-scope.ts';

const DISK = 'disks/debian.raw';
/** About what the tree in it takes, twice. */
const DISK_MIB = 768;
/** The shorter of the papers' two links. */
const LINK = { roundTripMs: 23, bytesPerSecond: 12_500_000 };
const BOOT_TIMEOUT_MS = 400_000;

type Appliance = {
  /** What is published: the disk, and the manifest. */
  readonly tree: string;
  readonly digest: string;
  readonly kernel: string;
  readonly initrd: string;
};

/** An appliance that is one disk with a Debian on it, and the kernel that it boots with. */
async function diskAppliance(): Promise<Appliance> {
  const root = await debianAppliance();
  const directory = await cachedDirectory('vm-disk', [root, String(DISK_MIB)], async (empty) => {
    const tree = join(empty, 'tree');
    await mkdir(join(tree, 'disks'), { recursive: true });
    for (const name of ['vmlinuz', 'initrd.img']) {
      const [file = ''] = globSync(join(root, 'boot', `${name}-*`));
      await copyFile(file, join(empty, name));
    }
    const disk = join(tree, DISK);
    await execa('mke2fs', ['-q', '-t', 'ext4', '-d', root, disk, `${DISK_MIB}M`]);
    const builder = { directory: empty, owner: 'builder', timeoutMs: 300_000 };
    const { digest } = await askRowfs<{ digest: string }>(['image', 'build', tree], builder);
    await writeFile(join(empty, 'digest'), digest);
  });
  return {
    tree: join(directory, 'tree'),
    digest: await readFile(join(directory, 'digest'), 'utf8'),
    kernel: join(directory, 'vmlinuz'),
    initrd: join(directory, 'initrd.img'),
  };
}

test(
  'QEMU boots from a disk in the image: only what it touches crosses the link, and what it writes stays here',
  { skip: requires('network-namespace', 'qemu', 'nfs-tools', 'debian-tree') },
  async (t) => {
    const scope = await testScope(t);
    const { directory } = scope;
    const { tree, digest, kernel, initrd } = await diskAppliance();
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
            ...['--listen', '127.0.0.1:0', '--rest', '127.0.0.1:0', '--portmap', '111'],
          ],
          { directory, owner: 'machine', enter },
        ),
      );
    let boots = 0;
    const boot = async (): Promise<Guest> => {
      boots += 1;
      const guest = scope.own(
        await startMachine(
          {
            ...{ directory, name: 'vm', memoryMiB: 512, cpus: 1, enter },
            arguments: [
              ...['-drive', `file=nfs://127.0.0.1/${DISK},format=raw,if=virtio`],
              ...['-kernel', kernel, '-initrd', initrd],
              ...['-append', `root=/dev/vda rw panic=10 ${KERNEL_OPTIONS}`],
            ],
            bootTimeoutMs: BOOT_TIMEOUT_MS,
          },
          boots,
        ),
      );
      await guest.booted;
      return guest;
    };
    const powerOff = async (guest: Guest): Promise<void> => {
      await guest.run('systemctl --no-block poweroff');
      await guest.ended;
      await guest.close();
    };

    const proxy = await startProxy();
    const first = await boot();
    const { size } = await stat(join(tree, DISK));
    const untilBooted = await bytesOverLink();
    t.diagnostic(`${untilBooted} bytes of a disk of ${size} crossed the link in the first boot`);
    assert.ok(untilBooted < size / 4, `${untilBooted} bytes crossed the link`);
    await first.run('head -c 3000000 /dev/urandom >/var/big && sha256sum /var/big >/etc/written');
    await powerOff(first);
    await proxy.stop();

    await startProxy();
    const before = await bytesOverLink();
    const second = await boot();
    await second.run('sha256sum --check --strict /etc/written');
    const again = (await bytesOverLink()) - before;
    t.diagnostic(`${again} bytes crossed it in the second`);
    assert.ok(again < untilBooted / 10, `${again} bytes crossed the link again`);
    const { stdout: log } = await second.run('dmesg --level=emerg,alert,crit,err');
    assert.doesNotMatch(log, /vda|ext4/i);
    await powerOff(second);

    const { same } = await askRowfs<{ same: boolean }>(
      ['image', 'verify', join(tree, '.rowfs/manifest'), tree],
      { directory, owner: 'publisher', timeoutMs: 120_000 },
    );
    assert.ok(same, 'the image was not written to');
  },
);
