import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { findKernel } from './kernel-files.ts';
import type { ImageFiles } from './machines.ts';
import { NetbootFiles } from './netboot-files.ts';

/** An image whose files have their own paths as contents. */
function imageOf(paths: readonly string[], opened: string[] = []): ImageFiles {
  return {
    async list(directory) {
      return paths.flatMap((path) =>
        path.startsWith(`${directory}/`) ? [path.slice(directory.length + 1)] : [],
      );
    },
    async open(path) {
      opened.push(path);
      return paths.includes(path)
        ? (async function* () {
            yield Buffer.from(path);
          })()
        : undefined;
    },
  };
}

const debian = [
  '/boot/config-6.1.0-9-amd64',
  '/boot/vmlinuz-6.1.0-9-amd64',
  '/boot/initrd.img-6.1.0-9-amd64',
  '/boot/vmlinuz-6.1.0-10-amd64',
  '/boot/initrd.img-6.1.0-10-amd64',
  '/boot/vmlinuz-6.1.0-11-amd64',
  '/usr/share/initramfs-tools/init',
];

describe('the kernel of an image', () => {
  it('is the newest that has an initrd', async () => {
    assert.deepEqual(await findKernel(imageOf(debian), {}), {
      kernel: '/boot/vmlinuz-6.1.0-10-amd64',
      initrd: '/boot/initrd.img-6.1.0-10-amd64',
      initramfs: 'initramfs-tools',
    });
  });

  it('is found in a Fedora', async () => {
    const fedora = [
      '/boot/vmlinuz-6.8.5',
      '/boot/initramfs-6.8.5.img',
      '/usr/lib/dracut/dracut-functions.sh',
      '/usr/share/initramfs-tools/hooks',
    ];
    assert.deepEqual(await findKernel(imageOf(fedora), {}), {
      kernel: '/boot/vmlinuz-6.8.5',
      initrd: '/boot/initramfs-6.8.5.img',
      initramfs: 'dracut',
    });
  });

  it('is of initramfs-tools in a Debian that has modules for dracut', async () => {
    const mixed = [...debian, '/usr/lib/dracut/modules.d'];
    assert.equal((await findKernel(imageOf(mixed), {})).initramfs, 'initramfs-tools');
  });

  it('is what was said', async () => {
    const said = { kernel: '/k', initrd: '/i', initramfs: 'dracut' } as const;
    assert.deepEqual(await findKernel(imageOf([]), said), said);
  });

  it('is missed with what to do', async () => {
    await assert.rejects(findKernel(imageOf(['/boot/vmlinuz-1']), {}), { code: 'NO_KERNEL' });
  });
});

describe('netboot files', () => {
  const temporary = async (t: TestContext): Promise<string> => {
    const directory = await mkdtemp(join(tmpdir(), 'rowfs-netboot-'));
    t.after(() => rm(directory, { recursive: true }));
    return directory;
  };

  it('are taken out once, for all who ask at the same time, and kept', async (t) => {
    const root = await temporary(t);
    const opened: string[] = [];
    const image = { key: 'one', files: imageOf(debian, opened) };
    const files = new NetbootFiles(root, {});
    const [first, second] = await Promise.all([files.of(image), files.of(image)]);
    assert.deepEqual(first, second);
    assert.equal(await readFile(join(first.directory, 'vmlinuz'), 'utf8'), debian[3]);
    assert.equal(await readFile(join(first.directory, 'initrd.img'), 'utf8'), debian[4]);
    assert.equal(first.path, 'images/one');
    const after = new NetbootFiles(root, {});
    assert.equal(after.taken('one'), first.directory, 'for a machine that has its script already');
    await after.of(image);
    assert.deepEqual(opened, [debian[3], debian[4]]);
  });

  it('are found by the names of images alone', async (t) => {
    const root = await temporary(t);
    const files = new NetbootFiles(root, {});
    await files.of({ key: 'one', files: imageOf(debian) });
    for (const key of ['two', '', '.', '..', '../images/one', 'one/../one'])
      assert.equal(files.taken(key), undefined);
  });

  it('are removed when no machine wants them any more', async (t) => {
    const root = await temporary(t);
    const old = { key: 'old', files: imageOf(debian) };
    const before = new NetbootFiles(root, {});
    const { directory } = await before.of(old);
    await before.of({ ...old, key: 'one' });
    const twoHoursAgo = new Date(Date.now() - 7_200_000);
    await utimes(directory, twoHoursAgo, twoHoursAgo);
    await before.of({ ...old, key: 'two' });
    assert.equal(before.taken('old'), directory, 'it was booted since the start');
    await new NetbootFiles(root, {}).of({ ...old, key: 'three' });
    assert.deepEqual((await readdir(join(root, 'images'))).sort(), ['one', 'three', 'two']);
  });

  it('are taken out again when others are wanted', async (t) => {
    const root = await temporary(t);
    const image = { key: 'one', files: imageOf(debian) };
    await new NetbootFiles(root, {}).of(image);
    const older = { kernel: debian[1] ?? '', initrd: debian[2] ?? '' };
    const { directory } = await new NetbootFiles(root, older).of(image);
    assert.equal(await readFile(join(directory, 'vmlinuz'), 'utf8'), debian[1]);
  });

  it('that could not be taken leave nothing, and are tried again', async (t) => {
    const root = await temporary(t);
    const files = new NetbootFiles(root, {});
    const broken: ImageFiles = {
      ...imageOf(debian),
      open: () => Promise.reject(new Error('no server')),
    };
    await assert.rejects(files.of({ key: 'one', files: broken }), /no server/);
    assert.deepEqual(await readdir(join(root, 'images')), []);
    await files.of({ key: 'one', files: imageOf(debian) });
  });
});
