import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { buildImage } from '@rowfs/image';
import {
  createLocalDirectory,
  type Fattr3,
  type Filehandle,
  Ftype3,
  listDirectory,
  Mountstat3,
  type Nfs3Context,
  type Nfs3Service,
  Nfsstat3,
} from '@rowfs/nfs3';
import fc from 'fast-check';
import { directoryContents } from '../test-support/directory-contents.ts';
import { makeTree, pieces } from '../test-support/random-tree.ts';
import { imageView } from './image-view.ts';

function callerOf(credential: Nfs3Context['credential']): Nfs3Context {
  const peer = { address: '127.0.0.1', port: 1 };
  return { credential, signal: new AbortController().signal, peer };
}
function user(uid: number, gid: number, gids: number[] = []): Nfs3Context {
  return callerOf({ flavor: 'sys', stamp: 0, machinename: 'test', uid, gid, gids });
}

const asRoot = user(0, 0);
const callers = [asRoot, user(1000, 1000), user(4242, 4242, [1001]), callerOf({ flavor: 'none' })];
const ALL_ACCESS = 0x3f;

/** What an image keeps of attributes; a directory's size and the space used are each file system's own. */
function kept({ type, mode, nlink, uid, gid, size, rdev, mtime }: Fattr3) {
  return { type, mode, nlink, uid, gid, size: type === Ftype3.DIR ? 0 : size, rdev, mtime };
}

async function attributes(service: Nfs3Service, object: Filehandle): Promise<Fattr3> {
  const result = await service.getattr({ object }, asRoot);
  assert.ok(result.status === Nfsstat3.OK);
  return result.attributes;
}

async function namesIn(service: Nfs3Service, dir: Filehandle): Promise<Map<string, Filehandle>> {
  const names = new Map<string, Filehandle>();
  for await (const { name, nameHandle } of listDirectory(service, dir, asRoot)) {
    assert.ok(nameHandle !== undefined);
    names.set(name, nameHandle);
  }
  return names;
}

/** Whatever is asked of an object, the image says what the directory says. */
async function sameObject(
  image: Nfs3Service,
  directory: Nfs3Service,
  [ours, theirs]: readonly [Filehandle, Filehandle],
  range: { offset: number; count: number },
): Promise<Fattr3> {
  const [ourAttributes, theirAttributes] = [
    await attributes(image, ours),
    await attributes(directory, theirs),
  ];
  assert.deepEqual(kept(ourAttributes), kept(theirAttributes));
  assert.deepEqual(
    [ourAttributes.atime, ourAttributes.ctime],
    [ourAttributes.mtime, ourAttributes.mtime],
  );
  for (const caller of callers) {
    const each = async (service: Nfs3Service, object: Filehandle): Promise<unknown> => {
      const access = await service.access({ object, access: ALL_ACCESS }, caller);
      const link = await service.readlink({ symlink: object }, caller);
      const read = await service.read({ file: object, ...range }, caller);
      const page = { dir: object, cookie: 0n, cookieverf: 0n };
      const list = await service.readdir({ ...page, count: 100_000 }, caller);
      const absent = await service.lookup({ what: { dir: object, name: 'not there' } }, caller);
      return {
        access: [access.status, access.status === Nfsstat3.OK && access.access],
        link: [link.status, link.status === Nfsstat3.OK && link.data],
        read:
          read.status === Nfsstat3.OK
            ? [read.count, read.eof, Buffer.concat(read.data)]
            : read.status,
        list:
          list.status === Nfsstat3.OK ? list.entries.map(({ name }) => name).sort() : list.status,
        absent: absent.status,
      };
    };
    assert.deepEqual(await each(image, ours), await each(directory, theirs));
  }
  return ourAttributes;
}

/** The same of everything below a directory. @returns by handle in the directory, the image's handles. */
async function sameTree(
  image: Nfs3Service,
  directory: Nfs3Service,
  at: readonly [Filehandle, Filehandle],
  range: { offset: number; count: number },
  handles: Map<string, Filehandle>,
): Promise<void> {
  const { type } = await sameObject(image, directory, at, range);
  const theirHandle = Buffer.from(at[1]).toString('hex');
  assert.deepEqual(handles.get(theirHandle) ?? at[0], at[0], 'one handle for all names of a file');
  handles.set(theirHandle, at[0]);
  if (type !== Ftype3.DIR) return;
  const [ours, theirs] = [await namesIn(image, at[0]), await namesIn(directory, at[1])];
  assert.deepEqual([...ours.keys()].sort(), [...theirs.keys()].sort());
  for (const [name, theirs_] of theirs) {
    const what = { dir: at[0], name };
    const found = await image.lookup({ what }, asRoot);
    assert.ok(found.status === Nfsstat3.OK);
    assert.deepEqual(found.object, ours.get(name));
    await sameTree(image, directory, [found.object, theirs_], range, handles);
    const above = await image.lookup({ what: { dir: found.object, name: '..' } }, asRoot);
    if (above.status === Nfsstat3.OK) assert.deepEqual(above.object, at[0]);
    else assert.equal(above.status, Nfsstat3.NOTDIR);
  }
}

async function rootOf(service: Nfs3Service): Promise<Filehandle> {
  const mounted = await service.mount('/', asRoot);
  assert.ok(mounted.status === Mountstat3.OK);
  return mounted.handle;
}

describe('the view of an image', () => {
  it('says of any tree what a directory with that tree says', async () => {
    const ranges = fc.record({ offset: fc.nat({ max: 250_000 }), count: fc.nat({ max: 100_000 }) });
    await fc.assert(
      fc.asyncProperty(pieces, ranges, async (made, range) => {
        const root = await mkdtemp(join(tmpdir(), 'rowfs-image-view-'));
        try {
          await makeTree(root, made);
          const { image } = await buildImage(root);
          const view = imageView(image, directoryContents(image, root));
          const directory = await createLocalDirectory({ root, access: 'read-only' });
          try {
            const roots = [await rootOf(view), await rootOf(directory)] as const;
            await sameTree(view, directory, roots, range, new Map());
          } finally {
            await directory.close();
          }
        } finally {
          await rm(root, { recursive: true, force: true });
        }
      }),
      { numRuns: 20 },
    );
  });
});
