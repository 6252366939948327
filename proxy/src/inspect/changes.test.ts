import assert from 'node:assert/strict';
import { link, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connectNfs3 } from '@rowfs/nfs3';
import { staticLocator } from '../locator.ts';
import { createProxy, type Proxy } from '../proxy.ts';
import { TestBench } from '../test-support/image-servers.ts';
import { PathClient } from '../test-support/path-client.ts';
import { type Change, changesOf } from './changes.ts';
import { discardShadow } from './discard-shadow.ts';
import { listShadows } from './list-shadows.ts';
import { printableName } from './printable-name.ts';
import { readShadow } from './read-shadow.ts';

/** A change in a line: kind, type, path, and what else is to be said. */
function line({ kind, type, path, from, replaces, attributes, contents, bytes }: Change): string {
  return [
    kind,
    type ?? '?',
    path,
    ...(from === undefined ? [] : [`from ${from}`]),
    ...(replaces === undefined ? [] : [`replaces ${replaces}`]),
    ...attributes,
    ...(contents === undefined
      ? []
      : [`${contents.blocks} blocks`, `${contents.sizeBefore}->${contents.sizeAfter}`]),
    ...(bytes === 0 ? [] : [`${bytes} bytes`]),
  ].join(' ');
}

describe('changesOf', () => {
  let bench: TestBench;
  let proxy: Proxy;
  let client: PathClient;
  let state: string;
  let directory: string;
  before(async () => {
    bench = new TestBench();
    const image = await bench.directory();
    await mkdir(join(image, 'dir/sub/deep'), { recursive: true });
    await mkdir(join(image, 'gone/inside'), { recursive: true });
    await writeFile(join(image, 'big'), Buffer.alloc(100_000, 7));
    for (const name of [
      'file',
      'other',
      'third',
      'dir/one',
      'dir/sub/deep/two',
      'gone/inside/three',
    ])
      await writeFile(join(image, name), name);
    for (const name of ['x', 'y', 'dir/z'])
      await writeFile(join(image, name), `${name} is swapped`);
    await link(join(image, 'other'), join(image, 'dir/other-too'));
    await symlink('file', join(image, 'symlink'));
    state = await bench.directory();
    proxy = await createProxy({
      stateDirectory: state,
      locator: staticLocator([await bench.serve(image)]),
    });
    bench.onClose(() => proxy.close());
    const service = connectNfs3(proxy.address);
    bench.onClose(() => service.close());
    client = await PathClient.mount(service);
    directory = join(state, 'shadows/default');
  });
  after(() => bench.close());

  /** What is told after some more changes, since before them. */
  async function told(change: () => Promise<void>): Promise<string[]> {
    const earlier = new Set(await lines());
    await change();
    return (await lines()).filter((each) => !earlier.has(each));
  }

  const lines = (): Promise<string[]> => readShadow(directory, (scan) => changesOf(scan).map(line));

  it('tells nothing of what was only read, and of what was changed back', async () => {
    assert.deepEqual(
      await told(async () => {
        await client.read('dir/one');
      }),
      [],
    );
    const { mode } = await client.attributes('third');
    await client.setattr('third', { mode: 0o111 });
    assert.deepEqual(await told(() => client.setattr('third', { mode })), []);
  });

  it('tells contents by blocks, and attributes by name', async () => {
    const changed = await told(async () => {
      await client.write('big', 5000, 'a');
      await client.write('big', 50_000, Buffer.alloc(8192, 1));
      await client.setattr('symlink', { uid: 7 });
      await client.setattr('file', { mode: 0o600, mtime: { seconds: 1, nseconds: 2 } });
      await client.setattr('dir/one', { size: 2 });
      await client.setattr('dir', { gid: 5 });
    });
    assert.deepEqual(changed, [
      'changed file /big 4 blocks 100000->100000 16384 bytes',
      'changed directory /dir gid',
      'changed file /dir/one 0 blocks 7->2',
      'changed file /file mode mtime',
      'changed symlink /symlink uid',
    ]);
  });

  it('tells a file of several names under each of them', async () => {
    await client.attributes('dir/other-too');
    assert.deepEqual(await told(() => client.write('other', 0, 'O')), [
      'changed file /dir/other-too 1 blocks 5->5 4096 bytes',
      'changed file /other 1 blocks 5->5',
    ]);
    assert.deepEqual(await told(() => client.link('other', 'a-third')), [
      'linked file /a-third from /dir/other-too 1 blocks 5->5',
    ]);
    assert.deepEqual(await told(() => client.remove('other')), [
      'renamed file /a-third from /other 1 blocks 5->5',
    ]);
  });

  it('tells what was born here, what went, and what took its place', async () => {
    const changed = await told(async () => {
      await client.mkdir('born');
      await client.create('born/file', 'text');
      await client.link('born/file', 'born/again');
      await client.mknod('born/fifo', 'FIFO');
      await client.symlink('born/\xff', 'nowhere');
      await client.remove('third');
      await client.mkdir('third');
      await client.remove('gone/inside/three');
      await client.rmdir('gone/inside');
      await client.rmdir('gone');
    });
    assert.deepEqual(changed, [
      'added directory /born',
      'added file /born/again 4096 bytes',
      'added fifo /born/fifo',
      'linked file /born/file from /born/again',
      'added symlink /born/\xff',
      'removed ? /gone',
      'added directory /third replaces /third',
    ]);
  });

  it('tells renames, of directories without what is in them, and changes under the new name', async () => {
    const changed = await told(async () => {
      await client.rename('dir/sub', 'born/sub');
      await client.write('born/sub/deep/two', 0, 'D');
      await client.create('born/sub/new');
      await client.rename('x', 'tmp');
      await client.rename('y', 'x');
      await client.rename('tmp', 'y');
      await client.rename('dir/z', 'big-z');
    });
    assert.deepEqual(changed, [
      'renamed file /big-z from /dir/z',
      'renamed directory /born/sub from /dir/sub',
      'changed file /born/sub/deep/two 1 blocks 16->16 4096 bytes',
      'added file /born/sub/new',
      'renamed file /x from /y replaces /x',
      'renamed file /y from /x replaces /y',
    ]);
    assert.deepEqual(await told(() => client.rename('big-z', 'dir/z')), []);
  });

  it('lists the shadow in use and idle, and discards it only when idle', async () => {
    const [running, ...others] = await listShadows(state);
    assert.deepEqual(others, []);
    assert.equal(running?.name, 'default');
    assert.equal(running.pid, process.pid);
    assert.equal(running.changes, (await lines()).length);
    assert.ok(running.bytes > 16384);
    await assert.rejects(discardShadow(directory), {
      code: 'SHADOW_IN_USE',
      message: new RegExp(`process ${process.pid} `),
    });
    await proxy.close();
    assert.equal((await listShadows(state))[0]?.pid, undefined);
    await discardShadow(directory);
    assert.deepEqual(await listShadows(state), []);
    assert.deepEqual(await readdir(join(state, 'shadows')), []);
  });
});

describe('printableName', () => {
  it('shows UTF-8 as it is, and what cannot be shown as bytes', () => {
    const names = [
      'plain',
      Buffer.from('größe').toString('latin1'),
      'a\xffb',
      'line\nfeed',
      'back\\x41',
    ];
    assert.deepEqual(names.map(printableName), [
      'plain',
      'größe',
      'a\\xffb',
      'line\\x0afeed',
      'back\\\\x41',
    ]);
  });
});
