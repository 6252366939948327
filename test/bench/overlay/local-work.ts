/**
 * Does one piece of work by system calls in a directory: another kind of client than nfs-work.ts, for
 * the kernel's overlayfs. Takes one JSON argument (LocalTask), prints one JSON line (Done).
 */
import {
  closeSync,
  fdatasyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { BLOCK_BYTES, type Done, scatteredBlocks, Stopwatch, type Work } from './work.ts';

export interface LocalTask {
  readonly root: string;
  readonly work: Work;
}

async function perform(root: string, work: Work, watch: Stopwatch): Promise<void> {
  const newDirectory = (parent: string): string => {
    const made = join(root, parent, `bench-${process.pid}`);
    mkdirSync(made);
    return made;
  };
  switch (work.kind) {
    case 'files': {
      const made = newDirectory(work.parent);
      const paths = Array.from({ length: work.count }, (_, i) => join(made, `file-${i}`));
      const each = (task: (path: string) => unknown) => (): number => {
        for (const path of paths) task(path);
        return paths.length;
      };
      const create = each((path) => closeSync(openSync(path, 'wx')));
      await watch.time('create', create);
      await watch.time('stat', each(lstatSync));
      await watch.time('unlink', each(unlinkSync));
      return;
    }
    case 'stable-writes': {
      const path = join(newDirectory(work.parent), 'file');
      const offsets = Array.from({ length: work.count }, (_, i) => i * BLOCK_BYTES);
      const write = (): number => writeBlocks(path, 'wx', offsets, BLOCK_BYTES, 'sync each');
      await watch.time('write', write);
      return;
    }
    case 'sequential-write': {
      const path = join(newDirectory(work.parent), 'large');
      const pieces = work.bytes / work.pieceBytes;
      const offsets = Array.from({ length: pieces }, (_, i) => i * work.pieceBytes);
      const write = (): number =>
        writeBlocks(path, 'wx', offsets, work.pieceBytes, 'sync last') * work.pieceBytes;
      await watch.time('write', write);
      return;
    }
    case 'rewrite': {
      const blocks = scatteredBlocks(work.fileBytes / BLOCK_BYTES, work.count, work.seed);
      const offsets = blocks.map((block) => block * BLOCK_BYTES);
      // Opening it for writing is what copies it up.
      const write = (): number =>
        writeBlocks(join(root, work.file), 'r+', offsets, BLOCK_BYTES, 'sync last');
      await watch.time('write', write);
      return;
    }
    case 'change-files': {
      await watch.time('change', () => {
        let changed = 0;
        for (const directory of readdirSync(join(root, work.directory)))
          changed += changeSome(join(root, work.directory, directory), work.every);
        return changed;
      });
      return;
    }
    case 'walk':
      await watch.time('walk', () => countNames(join(root, work.directory)));
      return;
    case 'read':
      throw new Error('READ is measured over NFS only');
  }
}

function writeBlocks(
  path: string,
  flags: 'wx' | 'r+',
  offsets: readonly number[],
  bytes: number,
  when: 'sync each' | 'sync last',
): number {
  const file = openSync(path, flags);
  const data = Buffer.alloc(bytes, 0x5a);
  for (const offset of offsets) {
    writeSync(file, data, 0, data.length, offset);
    if (when === 'sync each') fdatasyncSync(file);
  }
  if (when === 'sync last') fdatasyncSync(file);
  closeSync(file);
  return offsets.length;
}

function changeSome(directory: string, every: number): number {
  const chosen = readdirSync(directory).filter((_, i) => i % every === 0);
  for (const name of chosen)
    writeBlocks(join(directory, name), 'r+', [0], BLOCK_BYTES, 'sync last');
  return chosen.length;
}

function countNames(directory: string): number {
  let count = 0;
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    count += 1;
    const path = join(directory, entry.name);
    lstatSync(path);
    if (entry.isDirectory()) count += countNames(path);
  }
  return count;
}

const { root, work } = JSON.parse(process.argv[2] ?? '') as LocalTask;
const watch = new Stopwatch();
await perform(root, work, watch);
process.stdout.write(`${JSON.stringify(watch.done satisfies Done)}\n`);
