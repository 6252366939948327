/**
 * A proxy whose disk fails: system calls on the files of its shadow are made to fail while it runs. A
 * client is told, what it was told before holds, other files are unharmed, the write verifier changes
 * when and only when something was lost, and all goes on when the disk works again.
 */
import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { StableHow } from '@rowfs/nfs3';
import { fsck } from '@rowfs/proxy';
import { MountedTree } from '../support/mounted-tree.ts';
import { requires } from '../support/requirements.ts';
import {
  type ReadyProxy,
  type RowfsDaemon,
  type RowfsEnd,
  type RowfsOptions,
  runRowfs,
  startRowfs,
  stateOf,
} from '../support/rowfs.ts';
import { smallDisk } from '../support/small-disk.ts';
import { injectFault, type SystemCallFault } from '../support/system-call-faults.ts';
import { type TestScope, testScope } from '../support/test-scope.ts';

const { UNSTABLE, FILE_SYNC } = StableHow;
const OK = 'NFS3_OK';
const IO = 'NFS3ERR_IO';
const BLOCK = 4096;
/** More than goes through the journal: an fsync of the file has to succeed. */
const LARGE = 8 * BLOCK;
const ORIGINAL = Buffer.alloc(3 * LARGE, 'of the image ');
const KEPT = Buffer.alloc(3 * LARGE, 'kept ');

/** What is tried while the disk fails, all on the same files. */
interface Statuses {
  readonly unstable: string;
  readonly commit: string;
  readonly fileSync: string;
  readonly create: string;
  readonly chmod: string;
  readonly remove: string;
  readonly read: string;
}

const UNHARMED: Statuses = {
  unstable: OK,
  commit: OK,
  fileSync: OK,
  create: OK,
  chmod: OK,
  remove: OK,
  read: OK,
};
/** Nothing can be made stable. */
const refused = (status: string): Statuses => ({
  ...UNHARMED,
  commit: status,
  fileSync: status,
  create: status,
  chmod: status,
  remove: status,
});

interface Fault {
  readonly name: string;
  readonly calls: readonly string[];
  readonly error: SystemCallFault['error'];
  readonly on: 'contents' | 'journal' | 'lmdb' | 'records';
  readonly told: Statuses;
  /** Writes that were taken before are gone. */
  readonly loses: boolean;
}

const WRITES = ['write', 'pwrite64', 'pwritev'];
/** More than are begun in a test. */
const JOURNALS = 64;
const contentsRefused = (status: string): Statuses => {
  return { ...UNHARMED, unstable: status, fileSync: status };
};

const faults: readonly Fault[] = [
  {
    name: 'EIO from fsync of contents',
    ...{ calls: ['fdatasync', 'fsync'], error: 'EIO', on: 'contents' },
    told: { ...UNHARMED, commit: IO, fileSync: IO },
    loses: true,
  },
  {
    name: 'EIO from writing contents',
    ...{ calls: WRITES, error: 'EIO', on: 'contents' },
    told: contentsRefused(IO),
    loses: false,
  },
  {
    name: 'a full disk for contents',
    ...{ calls: WRITES, error: 'ENOSPC', on: 'contents' },
    told: contentsRefused('NFS3ERR_NOSPC'),
    loses: false,
  },
  {
    name: 'a used-up quota of the disk for contents',
    ...{ calls: WRITES, error: 'EDQUOT', on: 'contents' },
    told: contentsRefused('NFS3ERR_DQUOT'),
    loses: false,
  },
  {
    name: 'contents that became read-only',
    ...{ calls: [...WRITES, 'ftruncate'], error: 'EROFS', on: 'contents' },
    told: contentsRefused('NFS3ERR_ROFS'),
    loses: false,
  },
  {
    name: 'EIO from reading contents',
    ...{ calls: ['pread64', 'preadv'], error: 'EIO', on: 'contents' },
    told: { ...UNHARMED, read: IO },
    loses: false,
  },
  {
    name: 'EIO from removing contents',
    ...{ calls: ['unlink'], error: 'EIO', on: 'contents' },
    told: UNHARMED,
    loses: false,
  },
  {
    name: 'EIO from fsync of the journal, for which lmdb stands in',
    ...{ calls: ['fdatasync'], error: 'EIO', on: 'journal' },
    told: UNHARMED,
    loses: false,
  },
  {
    name: 'no room for the journal, where lmdb has some',
    ...{ calls: WRITES, error: 'ENOSPC', on: 'journal' },
    told: UNHARMED,
    loses: false,
  },
  {
    name: 'EIO from fsync of records',
    ...{ calls: ['fdatasync'], error: 'EIO', on: 'records' },
    told: refused(IO),
    loses: true,
  },
  {
    name: 'EIO from writing records',
    ...{ calls: WRITES, error: 'EIO', on: 'records' },
    told: refused(IO),
    loses: true,
  },
  {
    name: 'a full disk for records',
    ...{ calls: WRITES, error: 'ENOSPC', on: 'records' },
    told: refused('NFS3ERR_NOSPC'),
    loses: true,
  },
  {
    name: 'records that became read-only',
    ...{ calls: WRITES, error: 'EROFS', on: 'records' },
    told: refused('NFS3ERR_ROFS'),
    loses: true,
  },
];

/** A proxy, its client, and the files that its shadow is made of. */
class Machine {
  readonly #scope: TestScope;
  readonly #server: number;
  readonly proxy: RowfsDaemon<ReadyProxy>;
  readonly tree: MountedTree;

  static async start(scope: TestScope, server: number): Promise<Machine> {
    const proxy = scope.own(await startRowfs<ReadyProxy>(proxyBefore(server), machineOf(scope)));
    return new Machine(scope, server, proxy, scope.own(await MountedTree.mount(proxy.ready)));
  }

  constructor(scope: TestScope, server: number, proxy: RowfsDaemon<ReadyProxy>, tree: MountedTree) {
    this.#scope = scope;
    this.#server = server;
    this.proxy = proxy;
    this.tree = tree;
  }

  /** kill -9, and another start. */
  async restart(): Promise<Machine> {
    await this.proxy.close();
    return Machine.start(this.#scope, this.#server);
  }

  async make(name: string, contents: Buffer): Promise<void> {
    assert.equal(await this.tree.create(name), OK);
    assert.equal(await this.tree.write(name, 0, contents, FILE_SYNC), OK);
  }

  async shadow(): Promise<string> {
    const [records = ''] = await this.#files((path) => path.endsWith('/records/data.mdb'));
    return join(records, '../..');
  }

  contents(): Promise<string[]> {
    return this.#files((path) => /\/data\/[0-9a-f]{2}\/[0-9a-f]+$/.test(path));
  }

  async inject(
    { calls, error, on }: Pick<Fault, 'calls' | 'error' | 'on'>,
    contents: readonly string[],
    only?: number,
  ): Promise<{ close(): Promise<void> }> {
    const records = join(await this.shadow(), 'records');
    const lmdb = [join(records, 'data.mdb')];
    const journal = Array.from({ length: JOURNALS }, (_, index) => {
      return join(records, `journal-${index + 1}`);
    });
    const paths = { contents, journal, lmdb, records: [...lmdb, ...journal] }[on];
    const { directory } = this.#scope;
    const { pid } = this.proxy.process;
    return injectFault({
      ...{ pid, calls, error, paths, directory },
      ...(only === undefined ? {} : { only }),
    });
  }

  async #files(isWanted: (path: string) => boolean): Promise<string[]> {
    const entries = await readdir(stateOf(machineOf(this.#scope)), {
      recursive: true,
      withFileTypes: true,
    });
    const paths = entries
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => {
        return join(parentPath, name);
      });
    return paths.filter(isWanted);
  }
}

function proxyBefore(server: number): string[] {
  const anyPort = ['--listen', '127.0.0.1:0', '--rest', '127.0.0.1:0'];
  return ['proxy', '--server', `127.0.0.1:${server}:/`, ...anyPort];
}

function machineOf({ directory }: TestScope): RowfsOptions {
  return { directory, owner: 'machine' };
}

async function serveImage(scope: TestScope): Promise<number> {
  const { directory } = scope;
  const image = join(directory, 'image');
  await mkdir(image);
  await writeFile(join(image, 'of-the-image'), ORIGINAL);
  await writeFile(join(image, 'untouched'), ORIGINAL);
  const args = ['serve', image, '--listen', '127.0.0.1:0'];
  const server = scope.own(
    await startRowfs<{ port: number }>(args, { directory, owner: 'server' }),
  );
  return server.ready.port;
}

async function failingDisk(t: TestContext, fault: Fault): Promise<void> {
  const scope = await testScope(t);
  const machine = await Machine.start(scope, await serveImage(scope));
  const { tree } = machine;
  const [first, second, third] = ['first ', 'second ', 'third '].map((text) =>
    Buffer.alloc(LARGE, text),
  ) as [Buffer, Buffer, Buffer];
  // Of all files but `kept` the contents fail.
  await machine.make('kept', KEPT);
  const unharmed = new Set(await machine.contents());
  await machine.make('doomed', KEPT);
  assert.equal(await tree.write('of-the-image', LARGE, second, FILE_SYNC), OK);
  const contents = (await machine.contents()).filter((path) => !unharmed.has(path));
  assert.equal(contents.length, 2);
  assert.equal(await tree.write('of-the-image', 0, first, UNSTABLE), OK);
  const before = tree.verifier;
  const mode = await tree.mode('of-the-image');

  const injection = await machine.inject(fault, contents);
  const told: Statuses = {
    unstable: await tree.write('of-the-image', 2 * LARGE, third, UNSTABLE),
    commit: await tree.commit('of-the-image'),
    fileSync: await tree.write('of-the-image', LARGE, second, FILE_SYNC),
    create: await tree.create('made'),
    chmod: await tree.chmod('of-the-image', 0o600),
    remove: await tree.remove('doomed'),
    read: await tree.read('of-the-image', LARGE),
  };
  assert.deepEqual(told, fault.told);
  assert.deepEqual(await tree.content('kept'), KEPT);
  assert.deepEqual(await tree.content('untouched'), ORIGINAL);
  await injection.close();

  // What was refused has not happened; what was not, has.
  const names = await tree.names();
  assert.equal(names.includes('made'), told.create === OK);
  assert.equal(names.includes('doomed'), told.remove !== OK);
  assert.equal(await tree.mode('of-the-image'), told.chmod === OK ? 0o600 : mode);

  // The client sends again what was refused, and, if the verifier tells it to, what was not committed.
  if (told.create !== OK) assert.equal(await tree.create('made'), OK);
  if (told.remove !== OK) assert.equal(await tree.remove('doomed'), OK);
  assert.equal(await tree.write('of-the-image', LARGE, second, FILE_SYNC), OK);
  assert.equal(tree.verifier !== before, fault.loses, 'the verifier changes with a loss');
  if (fault.loses) assert.equal(await tree.write('of-the-image', 0, first, UNSTABLE), OK);
  if (fault.loses || told.unstable !== OK)
    assert.equal(await tree.write('of-the-image', 2 * LARGE, third, UNSTABLE), OK);
  assert.equal(await tree.commit('of-the-image'), OK);
  const changed = Buffer.concat([first, second, third]);
  assert.deepEqual(await tree.content('of-the-image'), changed);

  const again = await machine.restart();
  assert.deepEqual(await again.tree.content('of-the-image'), changed);
  assert.deepEqual(await again.tree.content('kept'), KEPT);
  assert.deepEqual(await again.tree.content('untouched'), ORIGINAL);
  assert.deepEqual(await again.tree.names(), ['kept', 'made', 'of-the-image', 'untouched']);
  assert.equal((await again.contents()).length, 2, 'the contents of what was removed are gone');
  await again.proxy.stop();
  assert.deepEqual(await fsck(await again.shadow()), []);
}

for (const fault of faults) {
  test(fault.name, { skip: requires('strace') }, (t) => failingDisk(t, fault));
}

test('EIO from fsync of contents that the journal has', { skip: requires('strace') }, async (t) => {
  const scope = await testScope(t);
  const machine = await Machine.start(scope, await serveImage(scope));
  const { tree } = machine;
  const little = (text: string): Buffer => Buffer.alloc(BLOCK, text);
  await machine.make('little', little('first '));
  const fault = { calls: ['fdatasync', 'fsync'], error: 'EIO', on: 'contents' } as const;
  const injection = await machine.inject(fault, await machine.contents());
  const { verifier } = tree;
  assert.equal(await tree.write('little', 0, little('second '), FILE_SYNC), OK);
  // When all is brought from the journal to where it belongs, this stays, and what was not committed is lost.
  assert.equal(await tree.create('other'), OK);
  for (let tries = 0; tries < 100 && tree.verifier === verifier; tries += 1) {
    await setTimeout(100);
    assert.equal(await tree.write('other', 0, little('other '), FILE_SYNC), OK);
  }
  assert.notEqual(tree.verifier, verifier, 'a lost write is told');
  await injection.close();
  await setTimeout(2_500);
  assert.equal(await tree.write('little', BLOCK, little('third '), FILE_SYNC), OK);

  const again = await machine.restart();
  const contents = Buffer.concat([little('second '), little('third ')]);
  assert.deepEqual(await again.tree.content('little'), contents);
  assert.deepEqual(await again.tree.content('other'), little('other '));
  await again.proxy.stop();
  assert.deepEqual(await fsck(await again.shadow()), []);
});

test('EIO from one write of a checkpoint', { skip: requires('strace') }, async (t) => {
  const scope = await testScope(t);
  let machine = await Machine.start(scope, await serveImage(scope));
  const fault = { calls: WRITES, error: 'EIO', on: 'lmdb' } as const;
  const made: string[] = [];
  // The last write of a transaction is that of its meta page, after which lmdb refuses everything.
  for (const only of [1, 2, 3, 4]) {
    const injection = await machine.inject(fault, [], only);
    for (const letter of ['a', 'b', 'c', 'd']) {
      const name = `${letter}-${only}`;
      const status = await machine.tree.create(name);
      assert.ok([OK, IO].includes(status), status);
      if (status === OK) made.push(name);
      // Long enough for a checkpoint, now and then.
      await setTimeout(400);
    }
    await injection.close();
    const expected = [...made, 'of-the-image', 'untouched'].sort();
    assert.deepEqual(await machine.tree.names(), expected);
    machine = await machine.restart();
    assert.deepEqual(await machine.tree.names(), expected);
  }
  assert.equal(await machine.tree.create('afterwards'), OK);
});

test('a truncation that the disk does not carry out', { skip: requires('strace') }, async (t) => {
  const scope = await testScope(t);
  const machine = await Machine.start(scope, await serveImage(scope));
  const { tree } = machine;
  await machine.make('cut', KEPT);
  const fault = { calls: ['ftruncate'], error: 'EIO', on: 'contents' } as const;
  const injection = await machine.inject(fault, await machine.contents());
  assert.equal(await tree.truncate('cut', 100), OK);
  assert.deepEqual(await tree.content('cut'), KEPT.subarray(0, 100));
  // What was cut off must not come back: so it cannot grow now.
  assert.equal(await tree.truncate('cut', BLOCK), IO);
  await injection.close();
  assert.equal(await tree.truncate('cut', BLOCK), OK);
  const zeros = Buffer.alloc(BLOCK);
  KEPT.copy(zeros, 0, 0, 100);
  assert.deepEqual(await tree.content('cut'), zeros);
  assert.deepEqual(await (await machine.restart()).tree.content('cut'), zeros);
});

test(
  'a disk on which no shadow can be opened is one line',
  { skip: requires('mount-namespace') },
  async (t) => {
    const scope = await testScope(t);
    const { directory } = scope;
    const server = await serveImage(scope);
    const owner = 'machine';
    const mountpoint = stateOf({ directory, owner });
    const bytes = 8 * 2 ** 20;
    const disk = scope.own(await smallDisk({ kind: 'tmpfs', bytes, mountpoint, directory }));
    const { enter } = disk;
    const start = (): Promise<RowfsDaemon<ReadyProxy>> =>
      startRowfs<ReadyProxy>(proxyBefore(server), { directory, owner, enter });
    const fail = (): Promise<RowfsEnd> =>
      runRowfs(proxyBefore(server), { directory, owner, enter });
    const isOneLine = ({ status, stderr }: RowfsEnd, what: RegExp): void => {
      assert.notEqual(status, 0);
      assert.match(stderr, what);
      assert.equal(stderr.trim().split('\n').length, 1, stderr);
    };
    const fill = `dd if=/dev/zero of='${mountpoint}/filler' bs=4096 2>/dev/null || true`;

    await disk.run(fill);
    isOneLine(await fail(), /ENOSPC|no space left/i);
    await disk.run(`rm '${mountpoint}/filler'`);
    const proxy = scope.own(await start());
    const tree = scope.own(await MountedTree.mount(proxy.ready));
    assert.equal(await tree.create('kept'), OK);
    assert.equal(await tree.write('kept', 0, KEPT, FILE_SYNC), OK);
    await proxy.stop();

    await disk.run(`mount -o remount,ro '${mountpoint}'`);
    isOneLine(await fail(), /EROFS|read-only/i);
    await disk.run(`mount -o remount,rw '${mountpoint}'`);
    const again = scope.own(await start());
    const after = scope.own(await MountedTree.mount(again.ready));
    assert.deepEqual(await after.content('kept'), KEPT);
    await again.stop();
  },
);
