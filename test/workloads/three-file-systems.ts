/**
 * One tree, on three file systems of one guest:
 *
 * - ext4: on a disk of the guest's own, a file here;
 * - ganesha: a copy of it, served read-write by an unmodified nfs-ganesha;
 * - proxy: served read-only by another one, and mounted through `rowfs proxy`.
 */
import { join } from 'node:path';
import { execa } from 'execa';
import { startGanesha } from '../support/ganesha.ts';
import { bootGuest, type Guest } from '../support/guest.ts';
import { guestImage } from '../support/guest-image.ts';
import type { NfsServerAddress } from '../support/nfs-server-address.ts';
import { type ReadyProxy, startRowfs } from '../support/rowfs.ts';
import type { TestScope } from '../support/test-scope.ts';
import { type FileSystemName, MountedTree } from './mounted-tree.ts';

/** Sparse: it takes what is written to it. */
const DISK_SIZE = '8G';

/** Boots a guest and mounts `imageTree` there, which is not to change any more, in each of these ways. */
export async function mountFileSystems(
  imageTree: string,
  names: readonly FileSystemName[],
  scope: TestScope,
): Promise<readonly MountedTree[]> {
  const disk = names.includes('ext4') ? [await makeDisk(imageTree, scope.directory)] : [];
  const image = await guestImage();
  const guest = scope.own(
    await bootGuest({ image, directory: scope.directory, memoryMiB: 1024, cpus: 2, disks: disk }),
  );
  // A virtual CPU may well wait a while for a busy host; the default takes 20 seconds for a lockup.
  await guest.run('echo 60 >/proc/sys/kernel/watchdog_thresh');
  await guest.run('mkdir -p /dev/pts && mount -t devpts devpts /dev/pts');

  const mounted: MountedTree[] = [];
  for (const name of names) {
    const mountpoint = `/mnt/${name}`;
    if (name === 'ext4') await mountDisk(guest, mountpoint);
    else {
      const serve = name === 'ganesha' ? serveCopy : serveThroughProxy;
      const server = await serve(imageTree, scope);
      await guest.mount({ server, path: server.path, mountpoint });
    }
    const tree = new MountedTree(name, guest, mountpoint);
    await tree.enter();
    mounted.push(tree);
  }
  return mounted;
}

type ServedTree = Pick<NfsServerAddress, 'nfsPort' | 'mountPort'> & { readonly path: string };

async function makeDisk(imageTree: string, directory: string): Promise<string> {
  const file = join(directory, 'ext4.img');
  await execa('mke2fs', ['-q', '-t', 'ext4', '-d', imageTree, file, DISK_SIZE]);
  return file;
}

async function mountDisk(guest: Guest, mountpoint: string): Promise<void> {
  await guest.run(`mkdir -p '${mountpoint}' && mount -t ext4 /dev/vda '${mountpoint}'`);
}

async function serveCopy(imageTree: string, scope: TestScope): Promise<ServedTree> {
  const { directory } = scope;
  const path = join(directory, 'copy');
  await execa('cp', ['--archive', '--reflink=auto', imageTree, path]);
  const name = 'ganesha-read-write';
  const server = scope.own(
    await startGanesha({ exports: [{ path, access: 'read-write' }], directory, name }),
  );
  return { nfsPort: server.nfsPort, mountPort: server.mountPort, path };
}

async function serveThroughProxy(imageTree: string, scope: TestScope): Promise<ServedTree> {
  const { directory } = scope;
  const name = 'ganesha-read-only';
  const { nfsPort, mountPort } = scope.own(
    await startGanesha({ exports: [{ path: imageTree, access: 'read-only' }], directory, name }),
  );
  const image = `127.0.0.1:${nfsPort},${mountPort}:${imageTree}`;
  const proxy = scope.own(
    await startRowfs<ReadyProxy>(
      ['proxy', '--server', image, '--listen', '127.0.0.1:0', '--rest', '127.0.0.1:0'],
      { directory, owner: 'machine' },
    ),
  );
  return { nfsPort: proxy.ready.port, mountPort: proxy.ready.mountPort, path: '/' };
}
