import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  createLocalDirectory,
  type Diropargs3,
  type Filehandle,
  Ftype3,
  type LocalDirectory,
  Mountstat3,
  type Nfs3Context,
  type Nfs3Service,
  Nfsstat3,
  type Nfstime3,
  pathNames,
  type Sattr3,
  UNCHANGED,
  walk,
  type WccData,
} from '@rowfs/nfs3';
import fc from 'fast-check';
import { redirectOnWrite } from './layer.ts';
import { PathClient } from '../test-support/path-client.ts';
import { openShadow, type Shadow } from '../shadow/shadow.ts';
import { asRoot, makeImage } from '../test-support/row/overlaid.ts';
import { linesOfClient } from '../test-support/tree-lines.ts';

const RUNS = 12;

interface Answer {
  readonly status: Nfsstat3;
  readonly dirWcc?: WccData;
  readonly fromdirWcc?: WccData;
  readonly linkdirWcc?: WccData;
  readonly objWcc?: WccData;
}

/** One call, with its arguments, that can be sent any number of times. */
type Call = (service: Nfs3Service, ctx: Nfs3Context) => Promise<Answer>;

/** Makes a call of handles as they are now; undefined when a directory on the way is not there. */
type Change = (tree: Tree) => Promise<Call | undefined>;

/** What one process serves. */
class Tree {
  readonly service: Nfs3Service;
  readonly #shadow: Shadow;
  readonly #root: Filehandle;

  /** @param lower of all processes: there a hard link has one handle whichever name was looked up first. */
  static async open(lower: Nfs3Service, directory: string): Promise<Tree> {
    const shadow = await openShadow({ directory, belongsTo: {} });
    const service = redirectOnWrite(shadow)(lower);
    const mounted = await service.mount('/', asRoot);
    assert.ok(mounted.status === Mountstat3.OK);
    return new Tree(service, shadow, mounted.handle);
  }

  private constructor(service: Nfs3Service, shadow: Shadow, root: Filehandle) {
    this.service = service;
    this.#shadow = shadow;
    this.#root = root;
  }

  close(): Promise<void> {
    return this.#shadow.close();
  }

  async lines(): Promise<string[]> {
    return linesOfClient(await PathClient.mount(this.service));
  }

  async handle(path: string): Promise<Filehandle | undefined> {
    const found = await walk(this.service, this.#root, pathNames(path), asRoot);
    return found.status === Nfsstat3.OK ? found.object : undefined;
  }

  async ctime(object: Filehandle): Promise<Nfstime3 | undefined> {
    const result = await this.service.getattr({ object }, asRoot);
    return result.status === Nfsstat3.OK ? result.attributes.ctime : undefined;
  }

  async place(path: string): Promise<Diropargs3 | undefined> {
    const names = pathNames(path);
    const dir = await this.handle(names.slice(0, -1).join('/'));
    return dir && { dir, name: names.at(-1) ?? '' };
  }
}

/** Few names, so that they meet: those of the image among them. */
const path = fc
  .array(fc.constantFrom('a', 'b', 'dir', 'c', 'h', 'sub', 'd', 'new'), {
    minLength: 1,
    maxLength: 2,
  })
  .map((names) => names.join('/'));

const inPlace = (call: (where: Diropargs3) => Call): fc.Arbitrary<Change> =>
  path.map((at): Change => async (tree) => {
    const where = await tree.place(at);
    return where && call(where);
  });
const made: Sattr3 = { ...UNCHANGED, mode: 0o755 };
const cut: Sattr3 = { ...UNCHANGED, size: 3 };

const change: fc.Arbitrary<Change> = fc.oneof(
  inPlace(
    (where) => (service, ctx) =>
      service.create({ where, how: { mode: 'guarded', objAttributes: made } }, ctx),
  ),
  inPlace(
    (where) => (service, ctx) =>
      service.create({ where, how: { mode: 'unchecked', objAttributes: cut } }, ctx),
  ),
  inPlace(
    (where) => (service, ctx) =>
      service.create({ where, how: { mode: 'exclusive', verf: 7n } }, ctx),
  ),
  inPlace((where) => (service, ctx) => service.mkdir({ where, attributes: made }, ctx)),
  inPlace(
    (where) => (service, ctx) =>
      service.symlink({ where, symlinkAttributes: made, symlinkData: 'to/it' }, ctx),
  ),
  inPlace(
    (where) => (service, ctx) =>
      service.mknod({ where, what: { type: Ftype3.FIFO, attributes: made } }, ctx),
  ),
  inPlace((object) => (service, ctx) => service.remove({ object }, ctx)),
  inPlace((object) => (service, ctx) => service.remove({ object }, ctx)),
  inPlace((object) => (service, ctx) => service.rmdir({ object }, ctx)),
  fc.tuple(path, path).map(([source, target]): Change => async (tree) => {
    const [from, to] = [await tree.place(source), await tree.place(target)];
    return from && to && ((service, ctx) => service.rename({ from, to }, ctx));
  }),
  fc.tuple(path, path).map(([at, second]): Change => async (tree) => {
    const [file, link] = [await tree.handle(at), await tree.place(second)];
    return file && link && ((service, ctx) => service.link({ file, link }, ctx));
  }),
  fc
    .tuple(path, fc.constantFrom(made, cut), fc.boolean())
    .map(([at, newAttributes, isGuarded]): Change => async (tree) => {
      const object = await tree.handle(at);
      const guard = isGuarded && object ? await tree.ctime(object) : undefined;
      return object && ((service, ctx) => service.setattr({ object, newAttributes, guard }, ctx));
    }),
);

/** How a call is sent: the one before a restart is sent again after it. */
const step = fc.record({ change, isLastOfProcess: fc.boolean() });

/** What had nothing to do, as a RENAME to itself, is decided anew when it is sent again, as what failed. */
function hasChanged({ status, ...answer }: Answer): boolean {
  const { before: was, after: is } =
    answer.dirWcc ?? answer.fromdirWcc ?? answer.linkdirWcc ?? answer.objWcc ?? {};
  const isSame =
    was?.ctime.seconds === is?.ctime.seconds && was?.ctime.nseconds === is?.ctime.nseconds;
  return status === Nfsstat3.OK && !isSame;
}

describe('calls that are sent again after a restart', () => {
  let image: string;
  let lower: LocalDirectory;
  before(async () => {
    image = await makeImage();
    lower = await createLocalDirectory({ root: image, access: 'read-only' });
  });
  after(async () => {
    await lower.close();
    await rm(image, { recursive: true });
  });

  it('are answered as before, and change nothing, wherever in a sequence it comes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
        const interrupted = await inShadow(async (open) => {
          let tree = await open();
          const answered: { call: Call; ctx: Nfs3Context; answer: Answer }[] = [];
          const statuses: (Nfsstat3 | undefined)[] = [];
          for (const [number, { change: each, isLastOfProcess }] of steps.entries()) {
            const call = await each(tree);
            const ctx = { ...asRoot, duplicateRequestKey: `call ${number}` };
            const answer = await call?.(tree.service, ctx);
            statuses.push(answer?.status);
            if (call && answer && hasChanged(answer)) answered.push({ call, ctx, answer });
            if (!isLastOfProcess) continue;
            const left = await tree.lines();
            await tree.close();
            tree = await open();
            // The last one whatever it was answered, and those before it that changed something.
            const { service } = tree;
            assert.equal((await call?.(service, ctx))?.status, answer?.status);
            for (const earlier of answered)
              assertSame(await earlier.call(service, earlier.ctx), earlier.answer);
            assert.deepEqual(await tree.lines(), left);
          }
          return { statuses, left: withoutTimes(await tree.lines()) };
        });
        const uninterrupted = await inShadow(async (open) => {
          const tree = await open();
          const statuses: (Nfsstat3 | undefined)[] = [];
          for (const { change: each } of steps) {
            const call = await each(tree);
            statuses.push((await call?.(tree.service, asRoot))?.status);
          }
          return { statuses, left: withoutTimes(await tree.lines()) };
        });
        assert.deepEqual(interrupted, uninterrupted);
      }),
      { numRuns: RUNS },
    );
  });

  async function inShadow<T>(use: (open: () => Promise<Tree>) => Promise<T>): Promise<T> {
    const directory = await mkdtemp(join(tmpdir(), 'rowfs-re-sent-'));
    let tree: Tree | undefined;
    try {
      return await use(async () => (tree = await Tree.open(lower, directory)));
    } finally {
      await tree?.close();
      await rm(directory, { recursive: true });
    }
  }
});

/** Whatever kind of arrays the bytes of their handles are in. */
function assertSame(answer: Answer | undefined, expected: Answer | undefined): void {
  assert.deepEqual(structuredClone(answer), structuredClone(expected));
}

/** Times are those of the run. */
function withoutTimes(described: readonly string[]): string[] {
  return described.map((line) => line.replace(/ \d+\.\d+(?= )/, ''));
}
