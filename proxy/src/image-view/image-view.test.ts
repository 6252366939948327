import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { buildImage, type Image, openImage } from '@rowfs/image';
import { type Filehandle, Mountstat3, type Nfs3Service } from '@rowfs/nfs3';
import { callerContext, ok, refused, sattr } from '@rowfs/nfs3-conformance';
import { pino } from 'pino';
import { directoryContents } from '../test-support/directory-contents.ts';
import { FetchError } from '../fetch/fetch-error.ts';
import type { FileContents } from './file-contents.ts';
import { imageView } from './image-view.ts';

const ctx = callerContext(0, 0);

describe('the view of an image', () => {
  let root: string;
  let image: Image;
  let contents: FileContents;

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'rowfs-image-view-'));
    await writeFile(join(root, 'file'), 'some bytes');
    await writeFile(join(root, 'other'), 'other bytes');
    await mkdir(join(root, 'dir'));
    ({ image } = await buildImage(root));
    contents = directoryContents(image, root);
  });
  after(() => rm(root, { recursive: true }));

  async function find(service: Nfs3Service, name: string): Promise<Filehandle> {
    const mounted = await service.mount('/', ctx);
    assert.ok(mounted.status === Mountstat3.OK);
    return ok(await service.lookup({ what: { dir: mounted.handle, name } }, ctx)).object;
  }

  it('has the same handles and fileids wherever and whenever the image is opened', async () => {
    const again = openImage(Buffer.from(image.bytes));
    const [one, two] = [imageView(image, contents), imageView(again, contents)];
    const handle = await find(one, 'file');
    assert.deepEqual(await find(two, 'file'), handle);
    assert.deepEqual(
      await two.getattr({ object: handle }, ctx),
      await one.getattr({ object: handle }, ctx),
    );
  });

  it('answers STALE to a handle of another image, and BADHANDLE to one of none', async () => {
    const handle = await find(imageView(image, contents), 'file');
    await writeFile(join(root, 'dir/new'), '');
    const { image: next } = await buildImage(root);
    await rm(join(root, 'dir/new'));
    const service = imageView(next, directoryContents(next, root));
    refused(await service.getattr({ object: handle }, ctx), 'STALE');
    refused(await service.read({ file: handle, offset: 0, count: 1 }, ctx), 'STALE');
    const mangled = Uint8Array.from(await find(service, 'file'));
    mangled[11] = (mangled[11] ?? 0) ^ 1;
    refused(await service.getattr({ object: mangled }, ctx), 'BADHANDLE');
    refused(await service.getattr({ object: handle.subarray(1) }, ctx), 'BADHANDLE');
  });

  it('answers IO to the READ whose bytes cannot be had, and logs the reason once', async () => {
    const lines: string[] = [];
    const logger = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
    const bad = await find(imageView(image, contents), 'file');
    const { fileid } = ok(
      await imageView(image, contents).getattr({ object: bad }, ctx),
    ).attributes;
    const failing: FileContents[] = [
      {
        read(id, ...rest) {
          if (BigInt(id) === fileid) throw new Error('block 7 is wrong on server A');
          return contents.read(id, ...rest);
        },
      },
      {
        read: async (id, ...rest) => {
          if (BigInt(id) === fileid) throw new Error('block 8 is wrong on server A');
          return contents.read(id, ...rest);
        },
      },
    ];
    for (const [index, each] of failing.entries()) {
      const service = imageView(image, each, { logger });
      for (let again = 0; again < 3; again += 1) {
        const result = await service.read({ file: bad, offset: 0, count: 4 }, ctx);
        refused(result, 'IO');
        assert.equal(result.fileAttributes?.fileid, fileid);
      }
      const good = await find(service, 'other');
      const { data } = ok(await service.read({ file: good, offset: 6, count: 99 }, ctx));
      assert.equal(Buffer.concat(data).toString(), 'bytes');
      assert.equal(lines.length, index + 1);
      assert.match(lines[index] ?? '', /block . is wrong on server A/);
    }
  });

  it('answers what there is before bytes that cannot be had, and not that the file ends there', async () => {
    const service = imageView(image, {
      read: (fileid, offset, _count, signal) => contents.read(fileid, offset, 4, signal),
    });
    const args = { file: await find(service, 'file'), offset: 0, count: 10 };
    const { count, eof, data } = ok(await service.read(args, ctx));
    assert.deepEqual([count, eof, Buffer.concat(data).toString()], [4, false, 'some']);
  });

  it('answers JUKEBOX, to be asked again, when no server could be reached', async () => {
    const unreachable: FileContents = {
      read: async () => {
        throw new FetchError('NO_SERVER', 'no server answered for 30000 ms');
      },
    };
    const service = imageView(image, unreachable);
    const args = { file: await find(service, 'file'), offset: 0, count: 4 };
    refused(await service.read(args, ctx), 'JUKEBOX');
  });

  it('blames nothing when the client gave up', async () => {
    const lines: string[] = [];
    const logger = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
    const aborting: FileContents = {
      read: (_id, _offset, _count, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(new Error('given up')));
        }),
    };
    const service = imageView(image, aborting, { logger });
    const controller = new AbortController();
    const given = { ...ctx, signal: controller.signal };
    const reading = service.read({ file: await find(service, 'file'), offset: 0, count: 4 }, given);
    controller.abort();
    await reading;
    assert.deepEqual(lines, []);
  });

  it('asks for no bytes beyond the end, and for none of nothing', async () => {
    const asked: number[][] = [];
    const service = imageView(image, {
      read(fileid, offset, count, signal) {
        asked.push([offset, count]);
        return contents.read(fileid, offset, count, signal);
      },
    });
    const file = await find(service, 'file');
    for (const [offset, count] of [
      [5, 100],
      [10, 1],
      [2 ** 40, 1],
      [0, 0],
    ] as const) {
      ok(await service.read({ file, offset, count }, ctx));
    }
    assert.deepEqual(asked, [[5, 5]]);
  });

  it('refuses changes with the attributes that stay as they are', async () => {
    const service = imageView(image, contents);
    const object = await find(service, 'file');
    const { attributes } = ok(await service.getattr({ object }, ctx));
    const { size, mtime, ctime } = attributes;
    const change = { object, newAttributes: sattr({ mode: 0 }), guard: undefined };
    const result = await service.setattr(change, ctx);
    refused(result, 'ROFS');
    assert.deepEqual(result.objWcc, { before: { size, mtime, ctime }, after: attributes });
    refused(await service.setattr({ ...change, object: object.subarray(1) }, ctx), 'BADHANDLE');
  });

  it('goes on at a cookie only for who has the verifier of this image', async () => {
    const service = imageView(image, contents);
    const mounted = await service.mount('/', ctx);
    assert.ok(mounted.status === Mountstat3.OK);
    const start = { dir: mounted.handle, cookie: 0n, cookieverf: 0n, count: 4096 };
    const { entries, cookieverf } = ok(await service.readdir(start, ctx));
    const { cookie = 0n } = entries[2] ?? {};
    const next = ok(await service.readdir({ ...start, cookie, cookieverf }, ctx));
    assert.equal(next.entries[0]?.name, entries[3]?.name);
    refused(await service.readdir({ ...start, cookie }, ctx), 'BAD_COOKIE');
    const far = ok(await service.readdir({ ...start, cookie: 2n ** 64n - 1n, cookieverf }, ctx));
    assert.deepEqual([far.entries, far.eof], [[], true]);
  });
});
