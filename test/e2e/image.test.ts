/** `rowfs image` as a user runs it, on a tree with everything odd. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  appendFile,
  chmod,
  link,
  mkdir,
  open,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { requires } from '../support/requirements.ts';
import { askRowfs, runRowfs } from '../support/rowfs.ts';
import { makeSampleTree } from '../support/sample-tree.ts';
import { testScope } from '../support/test-scope.ts';

interface Built {
  readonly manifest: string;
  readonly digest: string;
  readonly read: { readonly files: number; readonly bytes: number };
  readonly reused: { readonly files: number };
}

test('an image is built, verified, compared and listed', async (t) => {
  const { directory } = await testScope(t);
  const options = { directory, owner: 'publisher' };
  const image = <Answer>(...args: string[]): Promise<Answer> =>
    askRowfs<Answer>(['image', ...args], options);
  const tree = join(directory, 'tree');
  const copy = join(directory, 'copy');
  await mkdir(tree);
  await makeSampleTree(tree, { seed: 11 });
  execFileSync('cp', ['-a', tree, copy]);
  // What changed within the last second is read again by the next build: it may change once more unseen.
  await setTimeout(1_100);

  const built = await image<Built>('build', tree);
  assert.equal(built.manifest, join(tree, '.rowfs', 'manifest'));
  assert.ok(built.read.files > 300 && built.reused.files === 0);

  await t.test('the same for a copy, whose manifest goes elsewhere', async () => {
    const other = await image<Built>('build', copy, '--output', join(directory, 'copy.manifest'));
    assert.equal(other.digest, built.digest);
    assert.deepEqual(await readFile(other.manifest), await readFile(built.manifest));
  });

  await t.test('a second build reads nothing again', async () => {
    const again = await image<Built>('build', tree);
    assert.equal(again.digest, built.digest);
    assert.equal(again.reused.files + again.read.files, built.read.files);
    assert.ok(again.reused.files > 0);
  });

  await t.test('a copy is verified to the byte', async () => {
    const verified = await image<{ same: boolean }>('verify', built.manifest, copy);
    assert.equal(verified.same, true);
    const path = join(copy, 'sizes', '3145733 bytes');
    const file = await open(path, 'r+');
    await file.write(Buffer.from([0]), 0, 1, 2_000_000);
    await file.close();
    execFileSync('touch', ['-r', join(tree, 'sizes', '3145733 bytes'), path]);
    const { status, stdout, stderr } = await runRowfs(
      ['image', 'verify', built.manifest, copy],
      options,
    );
    assert.equal(status, 1);
    assert.match(stdout, /^~ \/sizes\/3145733 bytes \(content, 65\.5 kB\)$/m);
    assert.match(stderr, /^rowfs: .* differs from .* in 1 place$/);
  });

  await t.test('two versions are compared', async () => {
    await rm(join(tree, 'many', '7'));
    await appendFile(join(tree, 'many', '8'), 'more');
    await writeFile(join(tree, 'names', 'caf\u00e9'), 'new');
    await chmod(join(tree, 'special', 'sticky'), 0o700);
    const next = await image<Built>('build', tree, '-o', join(directory, 'next.manifest'));
    assert.notEqual(next.digest, built.digest);
    const { changes, newBlocks } = await image<{
      changes: { kind: string; path: string; parts: string[] }[];
      newBlocks: { count: number; bytes: number };
    }>('diff', built.manifest, next.manifest);
    assert.deepEqual(
      changes.map(({ kind, path, parts }) => [kind, path, ...parts].join(' ')),
      [
        'changed /many mtime',
        'removed /many/7',
        'changed /many/8 mtime size content',
        'changed /names mtime',
        'added /names/caf\u00e9',
        'changed /special/sticky mode',
      ],
    );
    assert.deepEqual(newBlocks, { count: 2, bytes: 8 });
  });

  await t.test('what it holds is listed from the manifest alone', async () => {
    const { stdout } = await runRowfs(['image', 'ls', built.manifest, '/links'], options);
    assert.match(stdout, /^lrwxrwxrwx .* \/links\/to bytes -> to \\xff bytes$/m);
    assert.match(stdout, /^-rw-r--r-- {2}3 .* \/links\/one$/m);
    const info = await image<{ digest: string; types: Record<string, number>; hardLinks: number }>(
      'info',
      built.manifest,
    );
    assert.equal(info.digest, built.digest);
    assert.equal(info.types['fifo'], 1);
    assert.equal(info.hardLinks, 2);
  });

  await t.test('a disk image is an image with one file, whatever it is called', async () => {
    const disk = join(directory, 'disk.raw');
    const manifest = join(directory, 'disk.manifest');
    const file = await open(disk, 'w');
    await file.write('boot sector');
    await file.truncate(1024 ** 3);
    await file.close();
    await image('build', disk, '-o', manifest);
    const { files } = await image<{ files: { path: string; size: number; used: number }[] }>(
      'ls',
      manifest,
    );
    assert.deepEqual(
      files.map(({ path, size, used }) => [path, size, used]),
      [['/disk.raw', 1024 ** 3, 65_536]],
    );
    execFileSync('mv', [disk, join(directory, 'moved.raw')]);
    await image('verify', manifest, join(directory, 'moved.raw'));
  });

  await t.test('what cannot be done is said in one line', async () => {
    for (const [args, code] of [
      [['build', join(directory, 'nowhere')], 'NO_SUCH_FILE'],
      [['build', join(directory, 'moved.raw')], 'NO_OUTPUT'],
      [['build', tree, '-o', '/proc/manifest'], 'ENOENT'],
      [['build', tree, '--previous', join(tree, 'many', '8')], 'NOT_AN_IMAGE'],
      [['info', join(tree, 'many', '8')], 'NOT_AN_IMAGE'],
      [['ls', built.manifest, '/nowhere'], 'NO_SUCH_FILE'],
    ] as const) {
      const { status, stderr } = await runRowfs(['image', ...args, '--json'], options);
      assert.equal(status, 1);
      assert.equal((JSON.parse(stderr) as { error: { code: string } }).error.code, code, stderr);
    }
  });
});

test(
  'the image of an OCI image layout is what umoci unpacks',
  { skip: requires('oci-tools') },
  async (t) => {
    const { directory } = await testScope(t);
    const options = { directory, owner: 'publisher' };
    const umoci = (...args: string[]): Buffer =>
      execFileSync('umoci', args, { cwd: directory, stdio: 'pipe' });
    const root = join(directory, 'bundle', 'rootfs');
    umoci('init', '--layout', 'layout');
    umoci('new', '--image', 'layout:v1');
    umoci('unpack', '--image', 'layout:v1', 'bundle');
    await mkdir(join(root, 'etc', 'gone', 'deep'), { recursive: true });
    await writeFile(join(root, 'etc', 'passwd'), 'root');
    await writeFile(join(root, 'etc', 'gone', 'deep', 'file'), 'gone');
    await writeFile(join(root, 'etc', 'hosts'), 'gone');
    umoci('repack', '--refresh-bundle', '--image', 'layout:v1', 'bundle');
    await rm(join(root, 'etc', 'gone'), { recursive: true });
    await rm(join(root, 'etc', 'hosts'));
    await appendFile(join(root, 'etc', 'passwd'), ', daemon');
    await link(join(root, 'etc', 'passwd'), join(root, 'etc', 'passwd-'));
    await symlink('passwd', join(root, 'etc', 'caf\u00e9'));
    await chmod(join(root, 'etc', 'passwd'), 0o4640);
    umoci('repack', '--image', 'layout:v1', 'bundle');
    umoci('unpack', '--image', 'layout:v1', 'again');

    const manifest = join(directory, 'oci.manifest');
    await askRowfs(['image', 'build', join(directory, 'layout'), '-o', manifest], options);
    const unpacked = join(directory, 'again', 'rootfs');
    const { same } = await askRowfs<{ same: boolean }>(
      ['image', 'verify', manifest, unpacked],
      options,
    );
    assert.equal(same, true);
  },
);

test('an image is built from the root of a system, without what is its own', async (t) => {
  const { directory } = await testScope(t);
  const options = { directory, owner: 'publisher' };
  const from = join(directory, 'system');
  const tree = join(from, 'srv', 'appliance');
  for (const name of ['etc', 'boot', 'srv', 'usr/bin'])
    await mkdir(join(from, name), { recursive: true });
  await writeFile(join(from, 'etc', 'machine-id'), '0123456789abcdef0123456789abcdef\n');
  await writeFile(join(from, 'usr', 'bin', 'ping'), 'ping');
  execFileSync('chown', ['12345:54321', join(from, 'usr', 'bin', 'ping')]);
  await link(join(from, 'usr', 'bin', 'ping'), join(from, 'usr', 'bin', 'ping6'));
  const args = ['image', 'build', tree, '--from', from];

  const refusal = await runRowfs([...args, '--json'], options);
  assert.match(refusal.stderr, /NO_KERNEL/);
  await writeFile(join(from, 'boot', 'vmlinuz-6.1.0-1-amd64'), 'a kernel');

  const built = await askRowfs<Built>(args, options);
  const { stdout } = await runRowfs(['image', 'ls', built.manifest, '/usr/bin', '--json'], options);
  assert.match(stdout, /"path":"\/usr\/bin\/ping",/);
  const { uid, gid, nlink } = await stat(join(tree, 'usr', 'bin', 'ping'));
  assert.deepEqual([uid, gid, nlink], [12345, 54321, 2]);
  assert.equal(await readFile(join(tree, 'etc', 'machine-id'), 'utf8'), '');
  assert.equal(await readFile(join(from, 'etc', 'machine-id'), 'utf8').then((id) => id.length), 33);
  assert.ok((await stat(join(tree, 'usr/lib/rowfs/heartbeat'))).mode & 0o100);
  await assert.rejects(stat(join(tree, 'srv', 'appliance')), 'not itself');

  const again = await runRowfs([...args, '--json'], options);
  assert.match(again.stderr, /NOT_EMPTY/);
  // A copy of an appliance is one.
  await askRowfs<Built>(['image', 'build', join(directory, 'copy'), '--from', tree], options);
});
