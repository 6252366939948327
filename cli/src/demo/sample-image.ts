import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  link,
  lstat,
  mkdir,
  opendir,
  readFile,
  readlink,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CliError } from '../errors.ts';

const run = promisify(execFile);
const MEBIBYTE = 2 ** 20;
/** As much of this machine as makes an image worth the name. */
const WANTED_BYTES = 112 * MEBIBYTE;
const MINIMUM_BYTES = 100 * MEBIBYTE;
/** Trees of smaller files show nothing more, and take longer. */
const MEAN_FILE_BYTES = 16 * 1024;
/** Directories that nearly every Unix has; the first that together hold enough are taken. */
const candidates = ['/usr/share', '/usr/lib', '/usr/bin', '/opt', '/usr/local'];

/** What was put into the image, counted while it was chosen. */
export interface ImageSource {
  /** Directories of this machine, and the names they have in the image. */
  readonly parts: readonly { readonly from: string; readonly as: string }[];
  readonly bytes: number;
}

/**
 * Chooses subdirectories of this machine's system that together have at least 100 MB.
 *
 * @param tree a directory to take instead.
 * @throws CliError NO_SAMPLE_TREE when this machine has no such directories.
 */
export async function chooseImageSource(tree: string | undefined): Promise<ImageSource> {
  if (tree !== undefined) {
    return { parts: [{ from: tree, as: 'tree' }], bytes: await diskUsage(tree, '--bytes') };
  }
  const parts: { from: string; as: string }[] = [];
  let bytes = 0;
  for (const candidate of candidates) {
    for (const name of await subdirectories(candidate)) {
      const from = join(candidate, name);
      const size = await diskUsage(from, '--bytes');
      // Neither dust nor one giant: a tree with files of all sizes, but one that a newcomer waits for.
      if (size < MEBIBYTE / 4 || bytes + size > 1.2 * WANTED_BYTES) continue;
      if (size / (await diskUsage(from, '--inodes')) < MEAN_FILE_BYTES) continue;
      parts.push({ from, as: from.slice(1).replaceAll('/', '-') });
      bytes += size;
      if (bytes >= WANTED_BYTES) return { parts, bytes };
    }
  }
  if (bytes < MINIMUM_BYTES) {
    throw new CliError(
      'NO_SAMPLE_TREE',
      'this machine has no 100 MB of files below /usr to show; name a directory with --tree',
    );
  }
  return { parts, bytes };
}

async function subdirectories(directory: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const entry of await opendir(directory)) {
      if (entry.isDirectory()) names.push(entry.name);
    }
  } catch {
    // Not there, or not ours to read: nothing to choose from.
  }
  return names.sort();
}

async function diskUsage(path: string, what: '--bytes' | '--inodes'): Promise<number> {
  try {
    const { stdout } = await run('du', ['--summarize', '--one-file-system', what, path]);
    return Number.parseInt(stdout, 10);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** Copies the chosen directories and adds what every image format gets wrong first: odd names, links. */
export async function makeImage(source: ImageSource, directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const { from, as } of source.parts) {
    await run('cp', ['-a', from, join(directory, as)]);
  }
  const odd = join(directory, 'odd names');
  await mkdir(odd);
  const names: (string | Buffer)[] = [
    'a space, "quotes" and\ttab',
    'two\nlines',
    '-rf',
    'umlaut-ü-漢字-🗻',
    'x'.repeat(255),
    Buffer.from('not-utf8-\xff\xfe', 'latin1'),
  ];
  for (const name of names) {
    const path = Buffer.concat([Buffer.from(`${odd}/`), Buffer.from(name)]);
    await writeFile(path, `This file is called ${JSON.stringify(name.toString('latin1'))}.\n`);
  }
  await link(join(odd, '-rf'), join(odd, 'hard link to -rf'));
  await symlink('two\nlines', join(odd, 'symbolic link'));
  await symlink('/nowhere/at/all', join(odd, 'dangling link'));
  await writeFile(join(odd, 'empty'), '');
}

/** Makes the next version out of a copy: one file changed, one added, one removed. */
export async function makeNextVersion(from: string, to: string): Promise<void> {
  await run('cp', ['-a', from, to]);
  await writeFile(join(to, 'VERSION'), 'v2\n');
  await writeFile(join(to, 'odd names', 'empty'), 'no longer empty in v2\n');
}

/** Copies a tree whole, with links, modes and times. */
export async function replicate(from: string, to: string): Promise<void> {
  await run('cp', ['-a', from, to]);
}

/**
 * One digest over a whole tree: names, kinds, modes, sizes, mtimes, link targets and every byte. Two
 * calls that agree prove that nothing was changed in between.
 */
export async function treeDigest(directory: string): Promise<string> {
  const hash = createHash('sha256');
  const visit = async (path: Buffer): Promise<void> => {
    const stat = await lstat(path);
    hash.update(`${path.toString('latin1')}\0${stat.mode}\0${stat.size}\0${stat.mtimeMs}\0`);
    if (stat.isSymbolicLink()) hash.update(await readlink(path, 'buffer'));
    else if (stat.isFile()) hash.update(await readFile(path));
    else if (stat.isDirectory()) {
      const names: Buffer[] = [];
      // `encoding: 'buffer'` keeps names that are not UTF-8.
      for await (const entry of await opendir(path, { encoding: 'buffer' as BufferEncoding })) {
        names.push(Buffer.from(entry.name as unknown as Uint8Array));
      }
      for (const name of names.sort((a, b) => a.compare(b))) {
        await visit(Buffer.concat([path, Buffer.from('/'), name]));
      }
    }
  };
  await visit(Buffer.from(directory));
  return hash.digest('hex');
}
