import { mkdir, link, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { StableHow } from '@rowfs/nfs3';
import type { Operation } from './operation.ts';

/** One operation, in one of its variants, that is interrupted at every system call that it makes. */
export interface MatrixRow {
  readonly name: string;
  /** Done, and the shadow closed, before the log begins; undefined: there is no shadow yet. */
  readonly before: readonly Operation[] | undefined;
  /** What each client does, one after the other; clients work at the same time. */
  readonly clients: readonly (readonly Operation[])[];
  /** The opening is interrupted too. */
  readonly fromOpening: boolean;
}

/** The image that all rows are over. */
export async function makeMatrixImage(lower: string): Promise<void> {
  await mkdir(join(lower, 'directory', 'inner'), { recursive: true });
  await mkdir(join(lower, 'other'));
  await mkdir(join(lower, 'vacant'));
  await writeFile(join(lower, 'image'), Buffer.alloc(10_000, 'of the image '));
  await writeFile(join(lower, 'partial'), Buffer.alloc(10_000, 'partly of the image '));
  await writeFile(join(lower, 'target'), Buffer.alloc(5000, 'replaced '));
  await writeFile(join(lower, 'linked'), Buffer.alloc(5000, 'of two names '));
  await link(join(lower, 'linked'), join(lower, 'directory', 'linked-too'));
  await symlink('image', join(lower, 'symlink'));
  await writeFile(join(lower, 'directory', 'a'), 'a');
  await writeFile(join(lower, 'directory', 'inner', 'b'), 'b');
}

const { UNSTABLE, DATA_SYNC, FILE_SYNC } = StableHow;

const write = (path: string, stable: StableHow, offset = 1000, length = 6000): Operation => {
  return { kind: 'write', path, offset, length, fill: 0x57, stable };
};
const create = (path: string): Operation => ({ kind: 'create', path, how: 'guarded' });
const truncate = (path: string, size: number): Operation => ({ kind: 'truncate', path, size });
const remove = (path: string): Operation => ({ kind: 'remove', path });
const rename = (from: string, path: string): Operation => ({ kind: 'rename', from, path });
const commit = (path: string): Operation => ({ kind: 'commit', path });

/** So that there is a file of each kind: wholly here, partly here, and of the image alone. */
const FILES: readonly Operation[] = [
  create('new'),
  write('new', FILE_SYNC, 0, 9000),
  write('partial', FILE_SYNC, 4096, 4096),
];
const KINDS = ['new', 'partial', 'image'] as const;

function row(name: string, ...operations: readonly Operation[]): MatrixRow {
  return { name, before: FILES, clients: [operations], fromOpening: false };
}

function rowsOfEach(name: string, operations: (path: string) => readonly Operation[]): MatrixRow[] {
  return KINDS.map((path) => row(`${name}, ${path} file`, ...operations(path)));
}

export const MATRIX: readonly MatrixRow[] = [
  { name: 'shadow made, root bound', before: undefined, clients: [[]], fromOpening: true },
  { name: 'shadow opened, orphan removed', before: FILES, clients: [[]], fromOpening: true },
  ...rowsOfEach('WRITE UNSTABLE, then closed', (path) => [write(path, UNSTABLE)]),
  ...rowsOfEach('WRITE UNSTABLE, COMMIT', (path) => [write(path, UNSTABLE), commit(path)]),
  ...rowsOfEach('WRITE DATA_SYNC', (path) => [write(path, DATA_SYNC)]),
  ...rowsOfEach('WRITE FILE_SYNC', (path) => [write(path, FILE_SYNC)]),
  ...rowsOfEach('WRITE far beyond the end', (path) => [write(path, FILE_SYNC, 100_000, 5000)]),
  row('WRITE to an empty file', create('fresh'), write('fresh', FILE_SYNC, 0, 100)),
  row(
    'WRITE twice, one COMMIT',
    write('image', UNSTABLE),
    write('image', UNSTABLE, 5000, 7000),
    commit('image'),
  ),
  row('COMMIT of another file', write('image', UNSTABLE), write('new', UNSTABLE), commit('new')),
  ...rowsOfEach('SETATTR size down', (path) => [truncate(path, 4500)]),
  ...rowsOfEach('SETATTR size to 0', (path) => [truncate(path, 0)]),
  ...rowsOfEach('SETATTR size up', (path) => [truncate(path, 20_000)]),
  ...rowsOfEach('SETATTR size down, then up', (path) => [
    truncate(path, 4500),
    truncate(path, 9500),
  ]),
  ...rowsOfEach('SETATTR size down, WRITE beyond', (path) => [
    truncate(path, 100),
    write(path, FILE_SYNC, 8000, 1000),
  ]),
  ...rowsOfEach('SETATTR size, unstable writes', (path) => [
    write(path, UNSTABLE),
    truncate(path, 3000),
  ]),
  ...rowsOfEach('SETATTR mode', (path) => [{ kind: 'chmod', path, mode: 0o751 }]),
  ...rowsOfEach('SETATTR times', (path) => [{ kind: 'utimes', path, mtime: 1_234_567 }]),
  row('SETATTR mode, directory of the image', { kind: 'chmod', path: 'directory', mode: 0o700 }),
  row('CREATE guarded', create('made')),
  row('CREATE unchecked', { kind: 'create', path: 'made', how: 'unchecked' }),
  ...rowsOfEach('CREATE unchecked, cut to 0', (path) => [{ kind: 'empty', path }]),
  row('CREATE exclusive', { kind: 'create', path: 'made', how: 'exclusive' }),
  row(
    'CREATE exclusive, SETATTR, WRITE',
    { kind: 'create', path: 'made', how: 'exclusive' },
    { kind: 'chmod', path: 'made', mode: 0o640 },
    write('made', FILE_SYNC, 0, 100),
  ),
  row('CREATE in a directory of the image', create('directory/inner/made')),
  row('MKDIR, CREATE in it', { kind: 'mkdir', path: 'made' }, create('made/file')),
  row('SYMLINK', { kind: 'symlink', path: 'made', target: 'to/it' }),
  row('MKNOD', { kind: 'fifo', path: 'made' }),
  ...rowsOfEach('REMOVE', (path) => [remove(path)]),
  ...rowsOfEach('REMOVE, unstable writes', (path) => [write(path, UNSTABLE), remove(path)]),
  row('REMOVE one of two names', remove('linked')),
  row('REMOVE both names', remove('linked'), remove('directory/linked-too')),
  row('REMOVE symbolic link', remove('symlink')),
  row('REMOVE, CREATE again', remove('partial'), create('partial')),
  row('RMDIR', { kind: 'rmdir', path: 'vacant' }),
  row(
    'RMDIR with whiteouts',
    remove('directory/a'),
    remove('directory/linked-too'),
    remove('directory/inner/b'),
    { kind: 'rmdir', path: 'directory/inner' },
    { kind: 'rmdir', path: 'directory' },
  ),
  ...rowsOfEach('RENAME', (path) => [rename(path, 'renamed')]),
  ...rowsOfEach('RENAME over a file', (path) => [rename(path, 'target')]),
  ...rowsOfEach('RENAME to another directory', (path) => [rename(path, 'other/renamed')]),
  ...rowsOfEach('RENAME of unstable writes', (path) => [
    write(path, UNSTABLE),
    rename(path, 'directory/inner/b'),
    commit('directory/inner/b'),
  ]),
  row('RENAME over a partial file', rename('new', 'partial')),
  row('RENAME directory with children', rename('directory', 'other/moved')),
  row('RENAME directory over an empty one', rename('directory', 'vacant')),
  row('RENAME one of two names', rename('linked', 'other/linked')),
  ...rowsOfEach('LINK', (path) => [{ kind: 'link', from: path, path: 'other/second' }]),
  row(
    'LINK, REMOVE the first name',
    { kind: 'link', from: 'image', path: 'second' },
    remove('image'),
    write('second', FILE_SYNC),
  ),
  {
    ...row('two clients in one directory'),
    clients: [
      [create('one'), write('one', FILE_SYNC, 0, 5000), rename('one', 'one-renamed')],
      [create('two'), write('two', UNSTABLE, 0, 5000), commit('two'), remove('two')],
    ],
  },
  {
    ...row('two clients write one file'),
    clients: [
      [write('image', FILE_SYNC, 0, 4096), write('image', FILE_SYNC, 100, 200)],
      [
        write('image', FILE_SYNC, 8192, 1000),
        write('image', UNSTABLE, 4096, 4096),
        commit('image'),
      ],
    ],
  },
];
