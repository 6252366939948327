import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { buildOciImage } from './build-image.ts';
import { FileType } from './format.ts';
import type { Image } from './image.ts';
import { isOciLayout } from './oci-layout.ts';

const GZIP = 'application/vnd.oci.image.layer.v1.tar+gzip';
const PLAIN = 'application/vnd.oci.image.layer.v1.tar';
const architecture = process.arch === 'x64' ? 'amd64' : process.arch;

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: { readonly os: string; readonly architecture: string };
}

describe('an OCI image layout', () => {
  let base: string;
  let layout: string;

  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), 'rowfs-oci-'));
    layout = join(base, 'layout');
    await mkdir(join(layout, 'blobs', 'sha256'), { recursive: true });
    await writeFile(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  });

  afterEach(() => rm(base, { recursive: true }));

  async function blob(mediaType: string, bytes: Uint8Array): Promise<Descriptor> {
    const hex = createHash('sha256').update(bytes).digest('hex');
    await writeFile(join(layout, 'blobs', 'sha256', hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  }

  /** A layer with these files; a value of undefined is a directory. */
  async function layer(
    mediaType: string,
    files: Readonly<Record<string, string | undefined>>,
  ): Promise<Descriptor> {
    const directory = await mkdtemp(join(base, 'layer-'));
    for (const [path, content] of Object.entries(files)) {
      await mkdir(join(directory, path, content === undefined ? '.' : '..'), { recursive: true });
      if (content !== undefined) await writeFile(join(directory, path), content);
    }
    // Names in the order of the record: marks may come before and after what they are about.
    const archive = execFileSync('tar', [
      '--no-recursion',
      '-cf',
      '-',
      '-C',
      directory,
      ...Object.keys(files),
    ]);
    return blob(mediaType, mediaType === GZIP ? gzipSync(archive) : archive);
  }

  const json = (mediaType: string, value: unknown): Promise<Descriptor> =>
    blob(mediaType, Buffer.from(JSON.stringify(value)));
  const manifest = (layers: readonly Descriptor[]): Promise<Descriptor> =>
    json('application/vnd.oci.image.manifest.v1+json', { schemaVersion: 2, layers });
  const index = (manifests: readonly Descriptor[]): Promise<void> =>
    writeFile(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));

  function paths(image: Image, fileid = image.root): string[] {
    return image.readdir(fileid).flatMap((entry) => {
      const path = image.path(entry.fileid).join('/');
      const { type, size } = image.attributes(entry.fileid);
      return type === FileType.DIR
        ? [`${path}/`, ...paths(image, entry.fileid)]
        : [`${path} ${size}`];
    });
  }

  it('is the tree of its layers, without what the upper ones took away', async () => {
    const lower = await layer(GZIP, {
      'etc/hosts': 'lower',
      'etc/gone': 'gone',
      'etc/kept': 'kept',
      'gone/with/all': 'gone',
      'opaque/old': 'old',
      'opaque/sub/old': 'old',
    });
    const upper = await layer(PLAIN, {
      'etc/hosts': 'from the upper layer',
      'etc/.wh.gone': '',
      '.wh.gone': '',
      'opaque/sub/new': 'new',
      'opaque/.wh..wh..opq': '',
      'opaque/new': 'new',
    });
    await index([await manifest([lower, upper])]);
    assert.equal(await isOciLayout(layout), true);
    const { image, read } = await buildOciImage(layout);
    assert.deepEqual(paths(image), [
      'etc/',
      'etc/hosts 20',
      'etc/kept 4',
      'opaque/',
      'opaque/new 3',
      'opaque/sub/',
      'opaque/sub/new 3',
    ]);
    assert.equal(read.files, 12);
  });

  it('is the image for this machine, where there are several', async () => {
    const here = await manifest([await layer(PLAIN, { here: '' })]);
    const elsewhere = await manifest([await layer(PLAIN, { elsewhere: '' })]);
    const inner = await json('application/vnd.oci.image.index.v1+json', {
      manifests: [
        { ...elsewhere, platform: { os: 'linux', architecture: 'mips' } },
        { ...here, platform: { os: 'linux', architecture } },
      ],
    });
    await index([inner]);
    const { image } = await buildOciImage(layout);
    assert.deepEqual(paths(image), ['here 0']);
    await index([here, elsewhere]);
    await assert.rejects(buildOciImage(layout), {
      code: 'UNSUPPORTED',
      message: /0 images for linux/,
    });
  });

  it('is refused when a blob is not what its digest says', async () => {
    const good = await layer(PLAIN, { file: 'good' });
    await index([await manifest([good])]);
    await buildOciImage(layout);
    await writeFile(join(layout, 'blobs', ...good.digest.split(':')), 'bad');
    await assert.rejects(buildOciImage(layout), { code: 'DIGEST_MISMATCH' });
    await index([{ ...good, digest: 'sha256:../../index.json' }]);
    await assert.rejects(buildOciImage(layout), { code: 'UNSUPPORTED' });
    await index([{ ...good, digest: `sha256:${'0'.repeat(64)}` }]);
    await assert.rejects(buildOciImage(layout), { code: 'UNREADABLE' });
  });

  it('is refused when a layer is of a kind that is not known', async () => {
    await index([await manifest([await layer('application/x-squashfs', { file: '' })])]);
    await assert.rejects(buildOciImage(layout), { code: 'UNSUPPORTED', message: /x-squashfs/ });
    await symlink('nowhere', join(base, 'oci-layout'));
    assert.equal(await isOciLayout(base), false);
    await rm(join(layout, 'index.json'));
    await assert.rejects(buildOciImage(layout), { code: 'UNREADABLE' });
  });
});
