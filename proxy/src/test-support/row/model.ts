import assert from 'node:assert/strict';
import {
  type Fattr3,
  type Filehandle,
  Ftype3,
  Nfsstat3,
  nfsstat3Name,
  StableHow,
} from '@rowfs/nfs3';
import { assertSameBytes, attributesOf, contentOf, listOf } from './observe.ts';
import { type Operation, perform } from './operations.ts';
import type { Overlaid } from './overlaid.ts';

/** A file, directory or symbolic link of the model. */
interface Inode {
  readonly kind: 'file' | 'directory' | 'symlink';
  handle: Filehandle;
  fileid: bigint;
  mode: number;
  names: number;
  content: Buffer;
  /** What a crash may bring back. */
  stable: Buffer;
  readonly children: Map<string, Inode>;
  parent: Inode | undefined;
}

/** What an operation must answer, and what it does to the model when that is OK. */
interface Prediction {
  readonly status: Nfsstat3;
  apply(made: Filehandle | undefined, attributes: Fattr3 | undefined): void;
}

function refuse(status: Nfsstat3): Prediction {
  return { status, apply: () => undefined };
}

function accept(apply: Prediction['apply']): Prediction {
  return { status: Nfsstat3.OK, apply };
}

/** A file system in memory: what the overlay should do, in the simplest way to say it. */
export class Model {
  readonly #inodes: Inode[] = [];
  readonly #mayBeFull: boolean;

  /** @param mayBeFull what is refused with NOSPC counts as right, as long as it changes nothing. */
  constructor({ mayBeFull }: { readonly mayBeFull: boolean }) {
    this.#mayBeFull = mayBeFull;
  }

  /** Takes over what the subject shows at first. */
  async adopt(subject: Overlaid): Promise<void> {
    const known = new Map<bigint, Inode>();
    const visit = async (handle: Filehandle, parent: Inode | undefined): Promise<Inode> => {
      const attributes = await attributesOf(subject, handle);
      assert.ok(attributes !== undefined);
      const seen = known.get(attributes.fileid);
      if (seen !== undefined) {
        seen.names += 1;
        return seen;
      }
      const inode = this.#add(kindOf(attributes), handle, attributes, parent);
      known.set(attributes.fileid, inode);
      if (inode.kind === 'file') inode.content = inode.stable = await contentOf(subject, handle);
      if (inode.kind === 'directory') {
        // By name: listing order is another one for each shadow, and a case must mean the same again.
        for (const [child, childHandle] of [...(await listOf(subject, handle))].sort()) {
          inode.children.set(child, await visit(childHandle, inode));
        }
      }
      return inode;
    };
    await visit(subject.root, undefined);
  }

  /** Does one operation on both; they must answer the same status. */
  async step(subject: Overlaid, operation: Operation): Promise<void> {
    const predicted = this.#predict(operation);
    const result = await perform(
      subject,
      operation,
      (n) => this.#nth(n).handle,
      (n) => this.#dir(n).handle,
    );
    if (this.#mayBeFull && result.status === Nfsstat3.NOSPC) return;
    assert.equal(
      nfsstat3Name(result.status),
      nfsstat3Name(predicted.status),
      JSON.stringify(operation),
    );
    if (predicted.status === Nfsstat3.OK) {
      const made = 'obj' in result ? result.obj : undefined;
      const attributes = made === undefined ? undefined : await attributesOf(subject, made);
      predicted.apply(made, attributes);
    }
  }

  /** Both trees are the same, seen from the root and by every handle there ever was. */
  async check(subject: Overlaid): Promise<void> {
    for (const inode of this.#inodes) {
      const attributes = await attributesOf(subject, inode.handle);
      if (inode.names === 0) {
        assert.equal(attributes, undefined, 'a removed object is still there');
        continue;
      }
      assert.ok(attributes !== undefined, 'a handle went stale');
      assert.deepEqual(
        {
          kind: kindOf(attributes),
          fileid: attributes.fileid,
          mode: attributes.mode & 0o7777,
          nlink: attributes.nlink,
        },
        { kind: inode.kind, fileid: inode.fileid, mode: inode.mode, nlink: nlinkOf(inode) },
      );
      if (inode.kind === 'file') {
        assert.equal(attributes.size, inode.content.length);
        assertSameBytes(await contentOf(subject, inode.handle), inode.content);
      }
      if (inode.kind === 'directory') {
        const listed = await listOf(subject, inode.handle);
        assert.deepEqual([...listed.keys()].sort(), [...inode.children.keys()].sort());
        for (const [child, handle] of listed) {
          assert.deepEqual(
            Buffer.from(handle),
            Buffer.from(present(inode.children.get(child)).handle),
          );
        }
      }
    }
  }

  /** After a crash: of each byte that was not committed, the old or the new one is right. */
  async adoptUnstable(subject: Overlaid): Promise<void> {
    for (const inode of this.#inodes) {
      if (inode.kind !== 'file' || inode.names === 0) continue;
      const actual = await contentOf(subject, inode.handle);
      const { content, stable } = inode;
      assert.ok([content.length, stable.length].includes(actual.length), 'a size from nowhere');
      for (let i = 0; i < actual.length; i += 1) {
        const right = actual[i] === (content[i] ?? 0) || actual[i] === (stable[i] ?? 0);
        assert.ok(right, `byte ${i} is neither what was written nor what was there`);
      }
      inode.content = inode.stable = actual;
    }
  }

  #predict(op: Operation): Prediction {
    switch (op.type) {
      case 'create':
      case 'mkdir':
      case 'symlink': {
        const dir = this.#dir(op.dir);
        if (dir.names === 0) return refuse(Nfsstat3.STALE);
        if (dir.children.has(op.name)) return refuse(Nfsstat3.EXIST);
        return accept((handle, attributes) => {
          assert.ok(handle !== undefined && attributes !== undefined);
          dir.children.set(op.name, this.#add(kindOf(attributes), handle, attributes, dir));
        });
      }
      case 'remove':
      case 'rmdir': {
        const dir = this.#dir(op.dir);
        if (dir.names === 0) return refuse(Nfsstat3.STALE);
        const child = dir.children.get(op.name);
        if (child === undefined) return refuse(Nfsstat3.NOENT);
        if (op.type === 'remove' && child.kind === 'directory') return refuse(Nfsstat3.ISDIR);
        if (op.type === 'rmdir' && child.kind !== 'directory') return refuse(Nfsstat3.NOTDIR);
        if (op.type === 'rmdir' && child.children.size > 0) return refuse(Nfsstat3.NOTEMPTY);
        return accept(() => {
          dir.children.delete(op.name);
          child.names -= 1;
        });
      }
      case 'rename': {
        const from = this.#dir(op.dir);
        const to = this.#dir(op.toDir);
        if (from.names === 0 || to.names === 0) return refuse(Nfsstat3.STALE);
        const moved = from.children.get(op.name);
        if (moved === undefined) return refuse(Nfsstat3.NOENT);
        const replaced = to.children.get(op.toName);
        if (replaced === moved) return accept(() => undefined);
        for (let dir: Inode | undefined = to; dir !== undefined; dir = dir.parent) {
          if (dir === moved) return refuse(Nfsstat3.INVAL);
        }
        if (replaced !== undefined) {
          if (moved.kind === 'directory' && replaced.kind !== 'directory') {
            return refuse(Nfsstat3.NOTDIR);
          }
          if (moved.kind !== 'directory' && replaced.kind === 'directory') {
            return refuse(Nfsstat3.ISDIR);
          }
          if (replaced.children.size > 0) return refuse(Nfsstat3.NOTEMPTY);
        }
        return accept(() => {
          if (replaced !== undefined) replaced.names -= 1;
          from.children.delete(op.name);
          to.children.set(op.toName, moved);
          if (moved.kind === 'directory') moved.parent = to;
        });
      }
      case 'link': {
        const object = this.#nth(op.object);
        const dir = this.#dir(op.dir);
        if (object.names === 0) return refuse(Nfsstat3.STALE);
        if (dir.names === 0) return refuse(Nfsstat3.STALE);
        if (dir.children.has(op.name)) return refuse(Nfsstat3.EXIST);
        if (object.kind === 'directory') return refuse(Nfsstat3.ISDIR);
        return accept(() => {
          dir.children.set(op.name, object);
          object.names += 1;
        });
      }
      case 'write': {
        const object = this.#nth(op.object);
        const refusal = refusalOfData(object);
        if (refusal !== undefined) return refuse(refusal);
        return accept(() => {
          if (op.length > 0) {
            const content = Buffer.alloc(Math.max(object.content.length, op.offset + op.length));
            object.content.copy(content);
            content.fill(op.fill, op.offset, op.offset + op.length);
            object.content = content;
          }
          if (op.stable !== StableHow.UNSTABLE) object.stable = object.content;
        });
      }
      case 'truncate': {
        const object = this.#nth(op.object);
        const refusal = refusalOfData(object);
        if (refusal !== undefined) return refuse(refusal);
        return accept(() => {
          const content = Buffer.alloc(op.size);
          object.content.copy(content);
          object.content = object.stable = content;
        });
      }
      case 'commit': {
        const object = this.#nth(op.object);
        if (object.names === 0) return refuse(Nfsstat3.STALE);
        if (object.kind !== 'file') return refuse(Nfsstat3.INVAL);
        return accept(() => {
          object.stable = object.content;
        });
      }
      case 'chmod': {
        const object = this.#nth(op.object);
        if (object.names === 0) return refuse(Nfsstat3.STALE);
        return accept(() => {
          object.mode = op.mode;
          // Setting attributes of a file makes what was written to it stable.
          object.stable = object.content;
        });
      }
      case 'restart':
      case 'crash':
        throw new Error('not an operation of a client');
    }
  }

  #add(
    kind: Inode['kind'],
    handle: Filehandle,
    { fileid, mode }: Fattr3,
    parent: Inode | undefined,
  ): Inode {
    const empty = Buffer.alloc(0);
    const inode: Inode = {
      kind,
      handle,
      fileid,
      mode: mode & 0o7777,
      names: 1,
      content: empty,
      stable: empty,
      children: new Map(),
      parent,
    };
    this.#inodes.push(inode);
    return inode;
  }

  #nth(n: number): Inode {
    return present(this.#inodes[n % this.#inodes.length]);
  }

  #dir(n: number): Inode {
    const directories = this.#inodes.filter(({ kind }) => kind === 'directory');
    return present(directories[n % directories.length]);
  }
}

function present<T>(value: T | undefined): T {
  assert.ok(value !== undefined);
  return value;
}

function refusalOfData({ names, kind }: Inode): Nfsstat3 | undefined {
  if (names === 0) return Nfsstat3.STALE;
  if (kind === 'directory') return Nfsstat3.ISDIR;
  return kind === 'file' ? undefined : Nfsstat3.INVAL;
}

function nlinkOf({ kind, names, children }: Inode): number {
  if (kind !== 'directory') return names;
  return 2 + [...children.values()].filter((child) => child.kind === 'directory').length;
}

function kindOf({ type }: Fattr3): Inode['kind'] {
  if (type === Ftype3.DIR) return 'directory';
  return type === Ftype3.LNK ? 'symlink' : 'file';
}
