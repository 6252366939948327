/** A Debian as people run one: with a compiler, version control, a database and its package manager. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { cachedDirectory } from '../../support/cache-directory.ts';
import { debianSources } from '../../support/debian-sources.ts';

const PACKAGES = [
  ...['gcc', 'libc6-dev', 'make', 'git', 'sqlite3', 'rsync', 'perl', 'tar', 'gzip', 'xz-utils'],
  ...['dpkg-dev', 'diffutils'],
] as const;

/** What no workload reads: half of the tree. */
const LEFT_OUT = ['/usr/share/man/*', '/usr/share/doc/*', '/usr/share/locale/*'] as const;

const CUSTOMIZE = join(import.meta.dirname, 'customize');

/** The root of the tree: from the cache, or made of the Debian packages that apt has sources for. Needs root. */
export async function debianTree(): Promise<string> {
  const sources = await sourceLines();
  const inputs = [sources, await readFile(CUSTOMIZE), await readFile(import.meta.filename)];
  const directory = await cachedDirectory('debian-tree', inputs, async (empty) => {
    const root = join(empty, 'root');
    await mkdir(root);
    await execa(
      'mmdebstrap',
      [
        ...['--quiet', '--mode=root', '--variant=apt', `--include=${PACKAGES.join(',')}`],
        '--aptopt=APT::Install-Recommends "false"',
        ...LEFT_OUT.map((pattern) => `--dpkgopt=path-exclude=${pattern}`),
        ...[`--customize-hook=${CUSTOMIZE}`, '', root, '-'],
      ],
      { input: sources },
    );
  });
  return join(directory, 'root');
}

/** Debian's own among the sources of this machine, in a line each, with their source code. */
async function sourceLines(): Promise<string> {
  return (await debianSources())
    .map(({ uri, release, component }) => `${uri} ${release} ${component}`)
    .map((source) => `deb ${source}\ndeb-src ${source}\n`)
    .join('');
}
