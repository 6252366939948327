import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Random } from '../support/random.ts';
import { DiskHistory, DiskImage } from './power-cut.ts';
import { readSystemCalls } from './system-call-log.ts';

const hex = (text: string): string => Buffer.from(text).toString('hex').replaceAll(/../g, '\\x$&');
const at = (path: string): string => `<${hex(`/s/${path}`)}>`;

/** What strace would write; `old` holds `before`, and the numbers are those of its lines. */
const LOG = [
  /* 0 */ `1 openat(AT_FDCWD${at('')}, "${hex('/s/d/new')}", O_RDWR|O_CREAT, 0600) = 5${at('d/new')}`,
  /* 1 */ `1 pwrite64(5${at('d/new')}, "${hex('data')}", 4, 0) = 4`,
  /* 2 */ `1 pwrite64(6${at('old')}, "${hex('AFT')}", 3, 0 <unfinished ...>`,
  /* 3 */ `2 fdatasync(5${at('d/new')}) = 0`,
  /* 4 */ `1 <... pwrite64 resumed>) = 3`,
  /* 5 */ `2 fsync(7${at('d')}) = 0`,
  /* 6 */ `2 write(1<pipe:[7]>, "${hex('told\n')}", 5) = 5`,
  /* 7 */ `2 fdatasync(6${at('old')} <unfinished ...>`,
  /* 8 */ `2 <... fdatasync resumed>) = 0`,
  /* 9 */ `2 ftruncate(6${at('old')}, 1) = 0`,
  /* 10 */ `2 unlink("${hex('/s/d/new')}") = 0`,
].join('\n');

async function diskAt(
  t: TestContext,
  line: number,
): Promise<{ old: string; made: string | undefined }> {
  const directory = await mkdtemp(join(tmpdir(), 'rowfs-crash-'));
  t.after(() => rm(directory, { recursive: true }));
  const source = join(directory, 'source');
  await mkdir(join(source, 'd'), { recursive: true });
  await writeFile(join(source, 'old'), 'before');
  const disk = DiskImage.read(source, () => false);
  const events = readSystemCalls(LOG, '/s', () => false);
  const target = join(directory, 'target');
  new DiskHistory(disk, events).diskAfterCrash(line, 'none', new Random(1)).writeTo(target);
  const made = join(target, 'd/new');
  return {
    old: readFileSync(join(target, 'old'), 'utf8'),
    made: existsSync(made) ? readFileSync(made, 'utf8') : undefined,
  };
}

test('a power cut takes the name of a file whose directory was not synced', async (t) => {
  assert.deepEqual(await diskAt(t, 5), { old: 'before', made: undefined });
  assert.deepEqual(await diskAt(t, 6), { old: 'before', made: 'data' });
});

test('a power cut takes what was written unless a sync of the file has ended', async (t) => {
  assert.equal((await diskAt(t, 8)).old, 'before');
  assert.equal((await diskAt(t, 9)).old, 'AFTore');
});

test('a power cut undoes what was cut off and removed, but not synced', async (t) => {
  assert.deepEqual(await diskAt(t, 11), { old: 'AFTore', made: 'data' });
});

test('a directory made aside is there wholly, where it was moved to, or not at all', async (t) => {
  const log = [
    /* 0 */ `1 mkdir("${hex('/s/aside')}", 0700) = 0`,
    /* 1 */ `1 openat(AT_FDCWD${at('')}, "${hex('/s/aside/file')}", O_RDWR|O_CREAT, 0600) = 5${at('aside/file')}`,
    /* 2 */ `1 pwrite64(5${at('aside/file')}, "${hex('data')}", 4, 0) = 4`,
    /* 3 */ `1 fdatasync(5${at('aside/file')}) = 0`,
    /* 4 */ `2 fsync(7${at('aside')}) = 0`,
    /* 5 */ `1 rename("${hex('/s/aside')}", "${hex('/s/moved')}") = 0`,
    /* 6 */ `2 fsync(8<${hex('/s')}>) = 0`,
  ].join('\n');
  const directory = await mkdtemp(join(tmpdir(), 'rowfs-crash-'));
  t.after(() => rm(directory, { recursive: true }));
  const events = readSystemCalls(log, '/s', () => false);
  const history = new DiskHistory(
    DiskImage.read(directory, () => false),
    events,
  );
  const pathsAt = (line: number, survivors: 'none' | 'all'): string[] =>
    [...history.diskAfterCrash(line, survivors, new Random(1)).entries()].map(([path]) => path);
  assert.deepEqual(pathsAt(5, 'none'), []);
  assert.deepEqual(pathsAt(5, 'all'), ['aside', 'aside/file']);
  assert.deepEqual(pathsAt(6, 'none'), []);
  assert.deepEqual(pathsAt(6, 'all'), ['moved', 'moved/file']);
  assert.deepEqual(pathsAt(7, 'none'), ['moved', 'moved/file']);
});

test('what the process told is in the log', () => {
  const events = readSystemCalls(LOG, '/s', () => false);
  const told = events.find((event) => event.kind === 'output');
  assert.deepEqual(told, { kind: 'output', text: 'told\n', begin: 6, end: 6 });
});
