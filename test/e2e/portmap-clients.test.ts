/**
 * Clients that cannot be told ports, or that speak MOUNT over UDP, on a proxy with a portmapper where
 * they look for one: the tools of nfs-common and rpcbind, libnfs, QEMU, iPXE, klibc's nfsmount, and the
 * kernel's client as `nfsroot=` uses it.
 */
import assert from 'node:assert/strict';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { execa } from 'execa';
import {
  bootGuest,
  type Guest,
  HOST_SEEN_BY_GUEST,
  KERNEL_COMMAND_LINE,
} from '../support/guest.ts';
import { guestImage } from '../support/guest-image.ts';
import { networkNamespace } from '../support/network-namespace.ts';
import { requires } from '../support/requirements.ts';
import { type ReadyProxy, startRowfs } from '../support/rowfs.ts';
import { type TestScope, testScope } from '../support/test-scope.ts';

type Served = {
  readonly image: string;
  readonly ready: ReadyProxy;
  readonly enter: readonly [command: string, ...args: string[]];
  /** Runs a command beside the proxy, and gives what it printed. */
  readonly run: (command: string, ...args: string[]) => Promise<string>;
};

/** A proxy over a server of ours, with a portmapper on 111, in a network of its own. */
async function serve(
  scope: TestScope,
  populate: (image: string) => Promise<void>,
): Promise<Served> {
  const { directory } = scope;
  const image = join(directory, 'image');
  await mkdir(join(image, 'boot'), { recursive: true });
  await populate(image);
  const { enter } = scope.own(await networkNamespace(directory));
  const server = scope.own(
    await startRowfs<{ port: number }>(['serve', image, '--listen', '127.0.0.1:0'], {
      directory,
      owner: 'server',
      enter,
    }),
  );
  const { ready } = scope.own(
    await startRowfs<ReadyProxy>(
      [
        ...['proxy', '--server', `127.0.0.1:${server.ready.port}:/`],
        ...['--listen', '127.0.0.1:0', '--rest', '127.0.0.1:0', '--portmap', '111'],
      ],
      { directory, owner: 'machine', enter },
    ),
  );
  const [nsenter, ...before] = enter;
  const run = async (command: string, ...args: string[]): Promise<string> =>
    (await execa(nsenter, [...before, command, ...args], { timeout: 60_000 })).stdout;
  return { image, ready, enter, run };
}

test(
  'tools find the proxy by its portmapper, over TCP and UDP',
  { skip: requires('network-namespace', 'nfs-tools') },
  async (t) => {
    const scope = await testScope(t);
    const content = 'found by name alone\n';
    const { ready, run } = await serve(scope, (image) => writeFile(join(image, 'file'), content));
    const { port, mountPort } = ready;

    const registered = (await run('/usr/sbin/rpcinfo', '-p', '127.0.0.1'))
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/).slice(0, 4).join(' '));
    assert.deepEqual(registered, [
      `100003 3 tcp ${port}`,
      `100005 3 tcp ${mountPort}`,
      `100005 3 udp ${mountPort}`,
      '100000 2 tcp 111',
      '100000 2 udp 111',
    ]);
    for (const protocol of ['tcp', 'udp']) {
      // Without a version it asks for one that nobody has, and is told which there are.
      const versions = await run('/usr/sbin/rpcinfo', '-T', protocol, '127.0.0.1', '100005');
      assert.match(versions, /program 100005 version 3 ready and waiting/);
    }

    assert.match(await run('/usr/sbin/showmount', '-e', '127.0.0.1'), /^\/ \(everyone\)$/m);
    assert.equal(await run('nfs-cat', 'nfs://127.0.0.1//file'), content.trimEnd());
    const disk = 'nfs://127.0.0.1/boot/disk.qcow2';
    await run('qemu-img', 'create', '-q', '-f', 'qcow2', disk, '10M');
    assert.match(await run('qemu-img', 'check', disk), /No errors were found/);
    assert.match(await run('/usr/sbin/showmount', '-a', '127.0.0.1'), /^127\.0\.0\.1:\/boot$/m);
  },
);

test(
  'a machine boots from the proxy with iPXE, and mounts it with klibc and as nfsroot does',
  { skip: requires('network-namespace', 'network-boot', 'guest-image') },
  async (t) => {
    const scope = await testScope(t);
    const kernel = await guestImage();
    const { image, enter } = await serve(scope, async (directory) => {
      const boot = join(directory, 'boot');
      await copyFile(kernel.kernel, join(boot, 'vmlinuz'));
      await copyFile(kernel.initrd, join(boot, 'initrd'));
      const kernelLine = `kernel vmlinuz initrd=initrd ${KERNEL_COMMAND_LINE}`;
      await writeFile(
        join(boot, 'boot.ipxe'),
        `#!ipxe\n:kernel\n${kernelLine} || goto kernel\n:initrd\ninitrd initrd || goto initrd\nboot\n`,
      );
    });
    const guest = scope.own(
      await bootGuest({
        image: kernel,
        directory: scope.directory,
        enter,
        // iPXE gives up when MNT is answered before its second GETPORT: it is to try again.
        netboot: `#!ipxe\n:again\nchain nfs://${HOST_SEEN_BY_GUEST}/boot/boot.ipxe || goto again\n`,
      }),
    );

    const klibc = '/usr/lib/klibc/bin/nfsmount -o';
    await readsAndWrites(guest, `${klibc} v3,tcp,nolock ${HOST_SEEN_BY_GUEST}:/`, image);
    // What the kernel does with `nfsroot=`: it speaks MOUNT itself, and asks the portmapper for it.
    const options = `vers=3,proto=tcp,nolock,addr=${HOST_SEEN_BY_GUEST}`;
    for (const protocol of ['udp', 'tcp']) {
      const mount = `mount -i -t nfs -o ${options},mountproto=${protocol}`;
      await readsAndWrites(guest, `${mount} ${HOST_SEEN_BY_GUEST}:/`, image);
    }
  },
);

async function readsAndWrites(guest: Guest, mount: string, image: string): Promise<void> {
  await guest.run(`mkdir -p /mnt/tree && ${mount} /mnt/tree`);
  const { stdout } = await guest.run('cat /mnt/tree/boot/boot.ipxe');
  assert.equal(stdout, await readFile(join(image, 'boot/boot.ipxe'), 'latin1'));
  await guest.run('echo new >/mnt/tree/file && sync && rm /mnt/tree/file && umount /mnt/tree');
}
