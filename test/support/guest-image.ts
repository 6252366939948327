/**
 * A small Linux guest: the stock Debian cloud kernel and an initramfs of our own with busybox, GNU tar
 * and diff, and tcc with the C library's headers. Made from Debian packages that are downloaded and
 * unpacked, never installed, so it needs neither root nor a change to the machine.
 */
import { copyFile, cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { cachedDirectory } from './cache-directory.ts';

export type GuestImage = { readonly kernel: string; readonly initrd: string };

const KERNEL_METAPACKAGE = 'linux-image-cloud-amd64';

const PACKAGES = [
  'busybox-static',
  'tcc',
  'libc6',
  'libc6-dev',
  'linux-libc-dev',
  'tar',
  'libacl1',
  'libselinux1',
  'libpcre2-8-0',
  'diffutils',
  'klibc-utils',
  'libklibc',
] as const;

const KERNEL_MODULES = [
  'virtio_pci',
  'virtio_console',
  'virtio_rng',
  'virtio_net',
  'virtio_blk',
  'nfsv3',
];

/** Parts of the packages that no test uses; together most of their size. */
const UNUSED = [
  './usr/share/doc/*',
  './usr/share/man/*',
  './usr/share/locale/*',
  './usr/lib/x86_64-linux-gnu/gconv/*',
  './usr/lib/x86_64-linux-gnu/libc.a',
  './usr/lib/x86_64-linux-gnu/libm*.a',
];

const INIT = join(import.meta.dirname, 'guest', 'init');
/** What makes a guest do what tests say: part of its init, or a service of its own. */
export const TAKE_STEPS = join(import.meta.dirname, 'guest', 'take-steps');

/** The guest image of this source and of the Debian packages apt offers today: from the cache, or built. */
export async function guestImage(): Promise<GuestImage> {
  const packages = [await kernelPackage(), ...PACKAGES];
  // Names and digests of the packages, so a security update makes a new image.
  const { stdout: packageDigests } = await execa('apt-get', [
    '--print-uris',
    'download',
    ...packages,
  ]);
  const sources = [INIT, TAKE_STEPS, import.meta.filename];
  const inputs = [packageDigests, ...(await Promise.all(sources.map((file) => readFile(file))))];
  const directory = await cachedDirectory('guest-image', inputs, (empty) => build(empty, packages));
  return { kernel: join(directory, 'vmlinuz'), initrd: join(directory, 'initrd.cpio') };
}

/** The versioned kernel package behind the metapackage, e.g. linux-image-6.1.0-40-cloud-amd64. */
async function kernelPackage(): Promise<string> {
  const { stdout } = await execa('apt-cache', ['depends', KERNEL_METAPACKAGE]);
  const name = /Depends: (linux-image-\S+)/.exec(stdout)?.[1];
  if (name === undefined) {
    throw new Error(`apt knows no kernel behind ${KERNEL_METAPACKAGE}; run apt-get update`);
  }
  return name;
}

async function build(directory: string, packages: readonly string[]): Promise<void> {
  const downloads = join(directory, 'downloads');
  const kernel = join(directory, 'kernel');
  const root = join(directory, 'root');
  await mkdir(downloads);
  await mkdir(kernel);
  await makeMergedUsr(root);
  await execa('apt-get', ['download', '--quiet=2', ...packages], { cwd: downloads });
  await Promise.all(
    (await readdir(downloads)).map((file) =>
      file.startsWith('linux-image')
        ? unpack(join(downloads, file), kernel, [])
        : unpack(join(downloads, file), root, UNUSED),
    ),
  );

  const busybox = join(root, 'bin/busybox');
  await installModules(busybox, kernel, root);
  await cp(INIT, join(root, 'init'));
  await cp(TAKE_STEPS, join(root, 'take-steps'));
  const vmlinuz = (await readdir(join(kernel, 'boot'))).find((name) => name.startsWith('vmlinuz'));
  await copyFile(join(kernel, 'boot', vmlinuz ?? 'vmlinuz'), join(directory, 'vmlinuz'));
  // Not compressed: QEMU loads it in no time, and the emulated CPU would be slow to unpack it.
  await bash('cd "$1"; find . | LC_ALL=C sort | "$2" cpio -o -H newc -R 0:0 >"$3"', [
    root,
    busybox,
    join(directory, 'initrd.cpio'),
  ]);
  for (const done of [downloads, kernel, root]) await rm(done, { recursive: true });
}

/** /bin, /lib and /sbin are links into /usr, so packages of before and after that change both fit. */
async function makeMergedUsr(root: string): Promise<void> {
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
    await mkdir(join(root, 'usr', name), { recursive: true });
    await symlink(`usr/${name}`, join(root, name));
  }
}

async function unpack(deb: string, into: string, exclude: readonly string[]): Promise<void> {
  const excludes = exclude.map((pattern) => `--exclude=${pattern}`);
  await bash(
    'dpkg-deb --fsys-tarfile "$1" | tar -x --no-same-owner --keep-directory-symlink -C "$2" "${@:3}"',
    [deb, into, ...excludes],
  );
}

async function bash(script: string, args: readonly string[]): Promise<void> {
  await execa('bash', ['-euo', 'pipefail', '-c', script, 'bash', ...args]);
}

/** Copies the modules the guest loads, with all they depend on. */
async function installModules(busybox: string, kernel: string, root: string): Promise<void> {
  const [release] = await readdir(join(kernel, 'lib/modules'));
  if (release === undefined) throw new Error('the kernel package holds no modules');
  await execa(busybox, ['depmod', '-b', kernel, release]);

  const from = join(kernel, 'lib/modules', release);
  const to = join(root, 'usr/lib/modules', release);
  // modules.dep: "path/of/module.ko: path/of/all.ko path/it/needs.ko"
  const dependencies = (await readFile(join(from, 'modules.dep'), 'utf8')).split('\n');
  const wanted = KERNEL_MODULES.map((name) => {
    // As for modprobe, - and _ are the same in a module's name.
    const line = dependencies.find((entry) => entry.replaceAll('-', '_').includes(`/${name}.ko`));
    if (line === undefined) throw new Error(`kernel ${release} has no module ${name}`);
    return line;
  });
  const files = new Set(wanted.flatMap((line) => line.match(/[^: ]+/g) ?? []));
  for (const path of files) {
    await mkdir(dirname(join(to, path)), { recursive: true });
    await copyFile(join(from, path), join(to, path));
  }
  const closure = dependencies.filter((line) => files.has(line.split(':')[0] ?? ''));
  await writeFile(join(to, 'modules.dep'), `${closure.join('\n')}\n`);
}
