import {
  type CreateMode,
  DIRECTORY_MODE,
  FILE_MODE,
  isStable,
  type Operation,
  type SeenObject,
  type SeenTree,
} from './operation.ts';

/** What a client may count on to be there after a crash, of one object. */
interface Expected {
  readonly type: SeenObject['type'];
  mode: number;
  /** Known when it was set, and until something else sets it. */
  mtime: number | undefined;
  /** Known once it was seen or acknowledged. */
  handle: string | undefined;
  target: string;
  /**
   * Contents of a file: the stable one, then one for each UNSTABLE write since. After a crash every
   * block is that of any of them, and so is the size.
   */
  versions: Uint8Array[];
}

const BLOCK_BYTES = 4096;
const MAX_RUNS = 8;

/** A tree as its only client knows it: what was acknowledged as stable, and what was not. */
export class ExpectedTree {
  /** Names of one file share their object. */
  readonly #objects: Map<string, Expected>;

  constructor(objects = new Map<string, Expected>()) {
    this.#objects = objects;
  }

  static of(seen: SeenTree): ExpectedTree {
    const byHandle = new Map<string, Expected>();
    const objects = new Map<string, Expected>();
    // In an order of its own, so that the same operations are drawn wherever it is read.
    const sorted = Object.entries(seen).sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [path, { type, mode, handle, content }] of sorted) {
      const bytes = Buffer.from(type === 'file' ? content : '', 'base64');
      const target = type === 'symlink' ? content : '';
      const known = { type, mode, mtime: undefined, handle, target, versions: [bytes] };
      const object = byHandle.get(handle) ?? known;
      byHandle.set(handle, object);
      objects.set(path, object);
    }
    return new ExpectedTree(objects);
  }

  clone(): ExpectedTree {
    return new ExpectedTree(structuredClone(this.#objects));
  }

  paths(type?: SeenObject['type']): string[] {
    const all = [...this.#objects];
    return all.filter(([, object]) => (type ?? object.type) === object.type).map(([path]) => path);
  }

  has(path: string): boolean {
    return this.#objects.has(path);
  }

  typeOf(path: string): SeenObject['type'] {
    return this.#get(path).type;
  }

  isSame(path: string, other: string): boolean {
    return this.#get(path) === this.#get(other);
  }

  isEmpty(directory: string): boolean {
    return !this.paths().some((path) => path.startsWith(`${directory}/`));
  }

  sizeOf(path: string): number {
    return latestOf(this.#get(path)).length;
  }

  /** The operation was acknowledged; `handle` is that of the object at its path, if it was told. */
  acknowledge(operation: Operation, handle?: string): void {
    this.#apply(operation, true);
    if (handle !== undefined) this.#get(operation.path).handle = handle;
  }

  /** The operation was on its way: it is there wholly, or of a file's contents block by block. */
  begin(operation: Operation): void {
    this.#apply(operation, false);
  }

  forgetHandles(): void {
    for (const object of this.#objects.values()) object.handle = undefined;
  }

  /** The process ended as it should: nothing is unstable any more. */
  closed(): void {
    for (const object of this.#objects.values()) object.versions = [latestOf(object)];
  }

  /** What is wrong with a tree that was read back after a crash; nothing when nothing is. */
  differences(seen: SeenTree): string[] {
    const found: string[] = [];
    for (const path of Object.keys(seen)) {
      if (!this.#objects.has(path)) found.push(`${path} is there and should not be`);
    }
    for (const [path, expected] of this.#objects) {
      const object = seen[path];
      if (object === undefined) found.push(`${path} is missing`);
      else found.push(...this.#differencesAt(path, expected, object));
    }
    return found;
  }

  #apply(operation: Operation, acknowledged: boolean): void {
    const { path } = operation;
    switch (operation.kind) {
      case 'create':
        return void this.#objects.set(path, made('file', modeMade(operation.how)));
      case 'empty':
        return change(this.#get(path), acknowledged, () => new Uint8Array());
      case 'mkdir':
        return void this.#objects.set(path, made('directory', DIRECTORY_MODE));
      case 'fifo':
        return void this.#objects.set(path, made('fifo', FILE_MODE));
      case 'symlink':
        return void this.#objects.set(path, made('symlink', 0o777, operation.target));
      case 'link':
        return void this.#objects.set(path, this.#get(operation.from));
      case 'rename':
        return this.#rename(operation.from, path);
      case 'remove':
      case 'rmdir':
        return void this.#objects.delete(path);
      case 'chmod':
        this.#get(path).mode = operation.mode;
        return;
      case 'utimes':
        this.#get(path).mtime = operation.mtime;
        return;
      case 'commit': {
        const object = this.#get(path);
        if (acknowledged) object.versions = [latestOf(object)];
        return;
      }
      case 'truncate':
        return change(this.#get(path), acknowledged, (old) => resized(old, operation.size));
      case 'write': {
        const { offset, length, fill, stable } = operation;
        return change(this.#get(path), acknowledged && isStable(stable), (old) =>
          resized(old, Math.max(old.length, offset + length)).fill(fill, offset, offset + length),
        );
      }
    }
  }

  #rename(from: string, to: string): void {
    const moved = [...this.#objects].filter(
      ([path]) => path === from || path.startsWith(`${from}/`),
    );
    for (const [path] of moved) this.#objects.delete(path);
    for (const [path, object] of moved) this.#objects.set(to + path.slice(from.length), object);
  }

  #differencesAt(path: string, expected: Expected, seen: SeenObject): string[] {
    const { type, mode, mtime, handle, target } = expected;
    if (seen.type !== type) return [`${path} is a ${seen.type}, not a ${type}`];
    const found: string[] = [];
    const differ = (what: string, is: unknown, should: unknown): void => {
      if (is !== should) found.push(`${path}: ${what} is ${String(is)}, not ${String(should)}`);
    };
    if (type !== 'symlink') differ('mode', seen.mode.toString(8), mode.toString(8));
    else differ('target', seen.content, target);
    if (handle !== undefined) differ('handle', seen.handle, handle);
    if (mtime !== undefined) differ('mtime', seen.mtime, mtime);
    if (type !== 'file') return found;
    const names = [...this.#objects.values()].filter((object) => object === expected).length;
    differ('nlink', seen.nlink, names);
    return [...found, ...contentDifferences(path, expected, Buffer.from(seen.content, 'base64'))];
  }

  #get(path: string): Expected {
    const object = this.#objects.get(path);
    if (object === undefined) throw new Error(`nothing is expected at ${path}`);
    return object;
  }
}

function made(type: Expected['type'], mode: number, target = ''): Expected {
  const versions = [new Uint8Array()];
  return { type, mode, mtime: undefined, handle: undefined, target, versions };
}

/** An exclusive CREATE carries no attributes: the client sets them next. */
function modeMade(how: CreateMode): number {
  return how === 'exclusive' ? 0 : FILE_MODE;
}

function latestOf({ versions }: Expected): Uint8Array {
  return versions.at(-1) ?? new Uint8Array();
}

/** Stable, it is so in whatever version survives; otherwise it is one more that may. */
function change(object: Expected, stable: boolean, edit: (old: Uint8Array) => Uint8Array): void {
  object.mtime = undefined;
  if (stable) object.versions = object.versions.map(edit);
  else object.versions.push(edit(latestOf(object)));
}

/** A copy of this size, with zeros where it was shorter. */
function resized(bytes: Uint8Array, size: number): Uint8Array {
  const copy = new Uint8Array(size);
  copy.set(bytes.subarray(0, size));
  return copy;
}

function contentDifferences(path: string, { versions }: Expected, seen: Uint8Array): string[] {
  if (!versions.some(({ length }) => length === seen.length)) {
    const sizes = versions.map(({ length }) => length).join(' or ');
    return [`${path}: size is ${seen.length}, not ${sizes}`];
  }
  const candidates = versions.map((version) => resized(version, seen.length));
  const found: string[] = [];
  for (let at = 0; at < seen.length; at += BLOCK_BYTES) {
    const block = seen.subarray(at, at + BLOCK_BYTES);
    const versionsOfBlock = candidates.map((version) => version.subarray(at, at + BLOCK_BYTES));
    if (versionsOfBlock.some((version) => Buffer.compare(version, block) === 0)) continue;
    const known = new Set(versionsOfBlock.map(inWords));
    const blockNumber = at / BLOCK_BYTES;
    found.push(
      `${path}: block ${blockNumber} is ${inWords(block)}, not ${[...known].join(' or ')}`,
    );
  }
  return found;
}

/** Runs of one byte, such as `100 x 07, 3996 x 00`. */
function inWords(bytes: Uint8Array): string {
  const runs: string[] = [];
  for (let start = 0; start < bytes.length && runs.length < MAX_RUNS;) {
    let end = start;
    while (end < bytes.length && bytes[end] === bytes[start]) end += 1;
    runs.push(`${end - start} x ${(bytes[start] ?? 0).toString(16).padStart(2, '0')}`);
    start = end;
  }
  return `[${runs.join(', ')}]`;
}
