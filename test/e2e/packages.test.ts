/** What is published works without this repository: built, packed, installed elsewhere, run from there. */
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { testScope } from '../support/test-scope.ts';

const repository = fileURLToPath(new URL('../..', import.meta.url));
const { packageManager } = JSON.parse(await readFile(join(repository, 'package.json'), 'utf8')) as {
  packageManager: string;
};

/** What is published: each as a package of its own. */
const ROOMS = [
  'lock-file',
  'xdr',
  'oncrpc',
  'nfs3',
  'nfs3-conformance',
  'image',
  'registry',
  'boot',
  'proxy',
  'cli',
];

test('the packages install elsewhere, and the command runs from there', async (t) => {
  const { directory } = await testScope(t);
  const tarballs = join(directory, 'tarballs');
  const elsewhere = join(directory, 'elsewhere');
  await mkdir(tarballs);
  await mkdir(elsewhere);
  await execa('tsc', ['-b', 'tsconfig.build.json'], { cwd: repository, preferLocal: true });
  const published = ['--filter', './packages/*', '--filter', './{registry,proxy,boot,cli}'];
  await execa(
    'npx',
    [
      '--yes',
      packageManager,
      '-r',
      ...published,
      'exec',
      'pnpm',
      'pack',
      '--pack-destination',
      tarballs,
    ],
    { cwd: repository, preferLocal: true },
  );
  const names = (await readdir(tarballs)).map((name) => join(tarballs, name));
  assert.equal(names.length, ROOMS.length, names.join(', '));
  await writeFile(join(elsewhere, 'package.json'), '{"private":true,"type":"module"}');
  await execa('npm', ['install', '--no-audit', '--no-fund', ...names], { cwd: elsewhere });

  const bin = join(elsewhere, 'node_modules', '.bin', 'rowfs');
  const { stdout } = await execa(process.execPath, [bin, '--help'], { cwd: elsewhere });
  assert.match(stdout, /Usage: rowfs/);
  const library = `import { createProxy } from '@rowfs/proxy';
    import { createRegistryNode } from '@rowfs/registry';
    console.log(typeof createProxy, typeof createRegistryNode);`;
  const used = await execa(process.execPath, ['--input-type=module', '-e', library], {
    cwd: elsewhere,
  });
  assert.equal(used.stdout, 'function function');

  for (const name of ROOMS) {
    const files = await readdir(join(elsewhere, 'node_modules', '@rowfs', name), {
      recursive: true,
    });
    assert.ok(
      files.some((file) => file.endsWith('.d.ts')),
      `${name} has types`,
    );
    const unwanted = files.filter((file) => /\.test\.|test-support|twin|^src/.test(file));
    assert.deepEqual(unwanted, [], `${name} has only what is used`);
  }
});
