/** An appliance that boots over the network, as `rowfs image build --debian` makes it, and that does what tests say. */
import { chmod, copyFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { cachedDirectory } from './cache-directory.ts';
import { TAKE_STEPS } from './guest-image.ts';
import { askRowfs } from './rowfs.ts';

/** What makes it is part of what it is. */
const SOURCES = join(import.meta.dirname, '../../cli/src/appliance');

const UNIT = `[Unit]
Description=Do what a test says
After=systemd-user-sessions.service

[Service]
ExecStart=/usr/lib/take-steps
KillMode=process

[Install]
WantedBy=multi-user.target
`;

/** The tree of the appliance, with its manifest, from the cache; it must not be changed. Needs root. */
export async function debianAppliance(
  packages: readonly string[] = [],
  initramfs: 'initramfs-tools' | 'dracut' = 'initramfs-tools',
): Promise<string> {
  const files = [...globSync(join(SOURCES, '*.ts')).sort(), TAKE_STEPS, import.meta.filename];
  const inputs = await Promise.all(files.map((file) => readFile(file)));
  const { stdout: kernel } = await execa('apt-cache', ['depends', KERNEL]);
  const directory = await cachedDirectory(
    'debian-appliance',
    [kernel, packages.join(' '), initramfs, ...inputs],
    async (empty) => {
      const tree = join(empty, 'tree');
      const builder = { directory: empty, owner: 'builder', timeoutMs: 600_000 };
      await askRowfs(
        [
          ...['image', 'build', tree, '--debian', 'bookworm', '--kernel', KERNEL],
          ...['--initramfs', initramfs],
          ...(packages.length === 0 ? [] : ['--packages', packages.join(',')]),
        ],
        builder,
      );
      await takeSteps(tree);
      await askRowfs(['image', 'build', tree], builder);
    },
  );
  return join(directory, 'tree');
}

/** Small, and made for virtual machines. */
const KERNEL = 'linux-image-cloud-amd64';

async function takeSteps(tree: string): Promise<void> {
  const wanted = join(tree, 'etc/systemd/system/multi-user.target.wants');
  await mkdir(wanted, { recursive: true });
  await copyFile(TAKE_STEPS, join(tree, 'usr/lib/take-steps'));
  await chmod(join(tree, 'usr/lib/take-steps'), 0o755);
  await writeFile(join(tree, 'etc/systemd/system/take-steps.service'), UNIT);
  await symlink('../take-steps.service', join(wanted, 'take-steps.service'));
}
