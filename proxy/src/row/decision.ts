import {
  type Fattr3,
  type Filehandle,
  type Filename,
  Ftype3,
  NAME_MAX,
  type Nfs3Context,
  Nfsstat3,
  type Nfstime3,
  type ProcedureName,
  resultBytes,
  type ResultOf,
} from '@rowfs/nfs3';
import type { Credential } from '@rowfs/oncrpc';
import type { FactsInHand } from './lower-facts.ts';
import type { NameHash, Position } from '../shadow/cookies.ts';
import {
  bornFileid,
  decodeEntry,
  decodeId,
  decodeNode,
  encodeEntry,
  encodeId,
  encodeNode,
  type Entry,
  entriesFrom,
  entriesPrefix,
  entryKey,
  latin1,
  lowerKey,
  type Node,
  nodeKey,
  readEntryKey,
} from '../shadow/records.ts';
import { Refusal } from './refusal.ts';
import type { Shadow } from '../shadow/shadow.ts';

/** An object of the merged tree: one of the lower that was never changed, or a node. */
export type MergedObject =
  | { readonly node: Node; readonly lower: undefined }
  | { readonly node: Node; readonly lower: Filehandle }
  | { readonly node: undefined; readonly lower: Filehandle };

export function objectOf(node: Node): MergedObject {
  const { lower } = node;
  return lower === undefined ? { node, lower } : { node, lower };
}

/** A name recorded for a directory; `id` 0 is a whiteout. */
export interface RecordedName {
  readonly name: Filename;
  readonly position: Position;
  readonly id: number;
}

/** What nearly all decisions write: they have no map of their own. */
const NO_WRITES = new Map<string, Buffer | undefined>();

/** Id in a record of the lower's handles: the object was removed. */
const REMOVED = 0;

/**
 * One operation being decided over the merged tree: reads the upper and the lower, gathers changes,
 * and stages them all at once, or none.
 *
 * A decision is synchronous, so nothing can come between what it saw and what it changes: this is
 * all the locking that the namespace has. What the lower has to say is asked for beforehand
 * (`decide` in operation.ts): it is immutable, so it still holds when the decision is made.
 */
export class Decision {
  readonly credential: Credential;
  readonly facts: FactsInHand;
  readonly #shadow: Shadow;
  readonly #hash: NameHash;
  readonly #requestKey: string | undefined;
  #writes = NO_WRITES;
  readonly #unreferenced: number[] = [];

  constructor(
    shadow: Shadow,
    facts: FactsInHand,
    { credential, duplicateRequestKey }: Pick<Nfs3Context, 'credential' | 'duplicateRequestKey'>,
  ) {
    this.#shadow = shadow;
    this.#hash = shadow.nameHash;
    this.facts = facts;
    this.credential = credential;
    this.#requestKey = duplicateRequestKey;
  }

  /** @throws Refusal STALE or BADHANDLE */
  resolve(handle: Filehandle): MergedObject {
    const identity = this.#shadow.handles.identify(handle);
    if (typeof identity === 'number') throw new Refusal(identity);
    if ('lower' in identity) return this.ofLower(identity.lower) ?? stale();
    const node = this.node(identity.id);
    return node === undefined ? stale() : objectOf(node);
  }

  /** What the object of the lower is by now; undefined when it was removed. */
  ofLower(lower: Filehandle, text = latin1(lower)): MergedObject | undefined {
    if (this.#writes.size === 0 && !this.#shadow.mayHaveChanged(text))
      return { node: undefined, lower };
    const record = this.#get(lowerKey(lower));
    if (record === undefined) return { node: undefined, lower };
    const id = decodeId(record);
    if (id === REMOVED) return undefined;
    return { node: this.#mustBeNode(id), lower };
  }

  node(id: number): Node | undefined {
    const record = this.#get(nodeKey(id));
    return record === undefined ? undefined : decodeNode(id, record);
  }

  handleOf(object: MergedObject): Filehandle {
    const { handles } = this.#shadow;
    return object.lower === undefined
      ? handles.ofNode(object.node.id)
      : handles.ofLower(object.lower);
  }

  /** The object's attributes, with what this decision has changed so far. */
  attributes(object: MergedObject): Fattr3 {
    const current = this.#current(object);
    if (current.node === undefined) return this.facts.attributes(current.lower);
    const { fsid } = this.#shadow;
    const node = this.#shadow.files.effective(current.node);
    const { type, mode, nlink, uid, gid, size, used, rdev, fileid, atime, mtime, ctime } = node;
    return { type, mode, nlink, uid, gid, size, used, rdev, fsid, fileid, atime, mtime, ctime };
  }

  /** True for two handles, or names, of one object. */
  same(a: MergedObject, b: MergedObject): boolean {
    if (a.lower === undefined || b.lower === undefined) return a.node?.id === b.node?.id;
    return latin1(a.lower) === latin1(b.lower);
  }

  typeOf(object: MergedObject): Ftype3 {
    if (object.node !== undefined) return object.node.type;
    return this.facts.attributes(object.lower).type;
  }

  /** @throws Refusal NOTDIR */
  resolveDirectory(handle: Filehandle): MergedObject {
    const directory = this.resolve(handle);
    if (this.typeOf(directory) !== Ftype3.DIR) throw new Refusal(Nfsstat3.NOTDIR);
    return directory;
  }

  /** What a directory has under a name that is neither '.' nor '..'. */
  child(directory: MergedObject, name: Filename): MergedObject | undefined {
    const entry = this.entry(directory, name);
    if (entry !== undefined) {
      if (entry.id === 0) return undefined;
      return objectOf(this.#mustBeNode(entry.id));
    }
    if (directory.lower === undefined) return undefined;
    const lower = this.facts.child(directory.lower, name);
    return lower === undefined ? undefined : this.ofLower(lower);
  }

  entry(directory: MergedObject, name: Filename): Entry | undefined {
    const { node } = this.#current(directory);
    if (node === undefined) return undefined;
    const record = this.#get(this.#entryKey(node.id, name));
    return record === undefined ? undefined : decodeEntry(record);
  }

  parent(directory: MergedObject): MergedObject {
    if (directory.node !== undefined && directory.node.parent !== 0) {
      return objectOf(this.#mustBeNode(directory.node.parent));
    }
    if (directory.lower === undefined) throw new Refusal(Nfsstat3.SERVERFAULT);
    if (this.isRoot(directory)) return directory;
    const lower = this.facts.child(directory.lower, '..');
    return (lower === undefined ? undefined : this.ofLower(lower)) ?? stale();
  }

  isRoot(object: MergedObject): boolean {
    return object.lower !== undefined && this.#shadow.isRoot(object.lower);
  }

  /** The recorded names of a directory from a position on, durable ones only. */
  *entriesFrom(directory: MergedObject, position: Position): Generator<RecordedName> {
    if (directory.node === undefined) return;
    const { id } = directory.node;
    const records = this.#shadow.range(entriesFrom(id, position), entriesPrefix(id));
    for (const { key, value } of records) yield { ...readEntryKey(key), id: decodeEntry(value).id };
  }

  /** True for a directory with no entry but '.' and '..'. */
  isEmpty(directory: MergedObject): boolean {
    if ((directory.node?.children ?? 0) > 0) return false;
    if (directory.lower === undefined) return true;
    return this.facts
      .listing(directory.lower)
      .names.every((name) => this.entry(directory, name)?.id === 0);
  }

  /** The object's node, made with the lower's attributes when it has none yet. */
  touch(object: MergedObject): Node {
    if (object.node !== undefined) return this.#mustBeNode(object.node.id);
    const known = this.ofLower(object.lower);
    if (known === undefined) return stale();
    if (known.node !== undefined) return known.node;
    const attributes = this.facts.attributes(object.lower);
    const { mode, nlink, uid, gid, size, mtime } = attributes;
    const node: Node = {
      ...attributes,
      id: this.#shadow.newId(),
      lower: object.lower,
      origin: { mode, nlink, uid, gid, size, mtime },
      lowerLimit: attributes.type === Ftype3.REG ? attributes.size : 0,
      parent: 0,
      children: 0,
      target: '',
      verf: undefined,
    };
    this.put(node);
    this.#write(lowerKey(object.lower), encodeId(node.id));
    return node;
  }

  /** Makes a node that the lower knows nothing of; its times are now. @throws NoSpaceError */
  newNode(
    fields: Pick<Node, 'type' | 'mode' | 'uid' | 'gid'> &
      Partial<Pick<Node, 'nlink' | 'size' | 'rdev' | 'parent' | 'target' | 'verf'>>,
  ): Node {
    this.#shadow.space.checkNewObject();
    const id = this.#shadow.newId();
    const now = this.#shadow.clock.stamp({ seconds: 0, nseconds: 0 });
    const node: Node = {
      nlink: 1,
      size: 0,
      rdev: { specdata1: 0, specdata2: 0 },
      parent: 0,
      target: '',
      verf: undefined,
      ...fields,
      id,
      used: 0,
      fileid: bornFileid(id),
      atime: now,
      mtime: now,
      ctime: now,
      lower: undefined,
      origin: undefined,
      lowerLimit: 0,
      children: 0,
    };
    this.put(node);
    return node;
  }

  put(node: Node): void {
    this.#write(nodeKey(node.id), encodeNode(node));
  }

  /** Now, and later than any ctime the node had. */
  stamp(node: Node): Nfstime3 {
    return this.#shadow.clock.stamp(this.#shadow.files.effective(node).ctime);
  }

  /** Puts a name into a directory, over whatever it has there, and adds the directory's changes. */
  addName(directory: MergedObject, name: Filename, node: Node, linkDelta: number): void {
    const before = this.entry(directory, name);
    const coversLower = before?.coversLower ?? this.#lowerHas(directory, name);
    const parent = this.touch(directory);
    const grown = before === undefined || before.id === 0 ? 1 : 0;
    this.#putDirectory(parent, linkDelta, grown);
    this.#write(this.#entryKey(parent.id, name), encodeEntry({ id: node.id, coversLower }));
  }

  /** Takes a name out of a directory and adds the directory's changes. */
  removeName(directory: MergedObject, name: Filename, linkDelta: number): void {
    const before = this.entry(directory, name);
    const coversLower = before?.coversLower ?? this.#lowerHas(directory, name);
    const parent = this.touch(directory);
    this.#putDirectory(parent, linkDelta, before === undefined || before.id === 0 ? 0 : -1);
    const record = coversLower ? encodeEntry({ id: 0, coversLower }) : undefined;
    this.#write(this.#entryKey(parent.id, name), record);
  }

  /** One name less for an object that is no directory; the last one takes it out of the world. */
  dropLink(object: MergedObject): void {
    const node = this.touch(object);
    if (node.nlink > 1) {
      this.put({ ...node, nlink: node.nlink - 1, ctime: this.stamp(node) });
      return;
    }
    this.#dropNode(node);
  }

  /** An empty directory goes, with the whiteouts that made it empty. */
  dropDirectory(object: MergedObject): void {
    const node = this.touch(object);
    if (node.lower !== undefined) {
      for (const name of this.facts.listing(node.lower).names) {
        this.#write(this.#entryKey(node.id, name), undefined);
      }
    }
    this.#dropNode(node);
  }

  /** @throws Refusal NAMETOOLONG, INVAL (a slash or NUL, or no name at all) */
  checkName(name: Filename): void {
    if (name.length > NAME_MAX) throw new Refusal(Nfsstat3.NAMETOOLONG);
    if (name === '' || name.includes('/') || name.includes('\0')) throw new Refusal(Nfsstat3.INVAL);
  }

  /**
   * The last word of a decision by which a call is done: what it is answered is kept with the changes, for
   * when it is sent again to another process than this one. Without changes it is decided again then.
   */
  answered<P extends ProcedureName>(procedure: P, result: ResultOf<P>): ResultOf<P> {
    if (this.#requestKey !== undefined && this.#writes.size > 0) {
      const { key, record } = this.#shadow.replies.next(
        this.#requestKey,
        resultBytes(procedure, result),
      );
      this.#write(key, record);
    }
    return result;
  }

  /** Stages the changes, all at once; visible from here on, durable when the shadow says so. */
  stage(): void {
    if (this.#writes.size > 0) this.#shadow.stage(this.#writes, this.#unreferenced);
  }

  #current(object: MergedObject): MergedObject {
    if (this.#writes.size === 0) return object;
    if (object.lower !== undefined) return this.ofLower(object.lower) ?? stale();
    return { node: this.#mustBeNode(object.node.id), lower: undefined };
  }

  #dropNode(node: Node): void {
    this.#write(nodeKey(node.id), undefined);
    if (node.lower !== undefined) this.#write(lowerKey(node.lower), encodeId(REMOVED));
    this.#unreferenced.push(node.id);
    for (const key of this.#shadow.presenceKeys(node)) this.#write(key, undefined);
  }

  #putDirectory(node: Node, linkDelta: number, childrenDelta: number): void {
    const now = this.stamp(node);
    // 1 is how some file systems say that they do not count the links of directories.
    const nlink = node.nlink === 1 ? 1 : node.nlink + linkDelta;
    const children = node.children + childrenDelta;
    this.put({ ...node, nlink, children, mtime: now, ctime: now });
  }

  #lowerHas(directory: MergedObject, name: Filename): boolean {
    return directory.lower !== undefined && this.facts.child(directory.lower, name) !== undefined;
  }

  #mustBeNode(id: number): Node {
    return this.node(id) ?? stale();
  }

  #entryKey(directory: number, name: Filename): string {
    return entryKey(directory, this.#hash.position(name), name);
  }

  #write(key: string, record: Buffer | undefined): void {
    if (this.#writes === NO_WRITES) this.#writes = new Map();
    this.#writes.set(key, record);
  }

  #get(key: string): Buffer | undefined {
    return this.#writes.has(key) ? this.#writes.get(key) : this.#shadow.get(key);
  }
}

function stale(): never {
  throw new Refusal(Nfsstat3.STALE);
}
