import type { Fattr3, Filehandle, Filename } from '@rowfs/nfs3';
import {
  comparePositions,
  cookieOf,
  DOT_COOKIE,
  DOT_DOT_COOKIE,
  type Position,
  positionOf,
} from './cookies.ts';
import { type Decision, type MergedObject, objectOf, type RecordedName } from './decision.ts';
import { type LowerEntry, MissingFact } from './lower-facts.ts';

/** A name of the merged directory. */
export interface MergedEntry {
  readonly name: Filename;
  readonly fileid: bigint;
  /** What of its attributes and its handle can be told without asking the lower. */
  readonly plus: () => { attributes: Fattr3 | undefined; handle: Filehandle | undefined };
}

/** Names that share a cookie, nearly always one: a page ends after all of them or before. */
export interface MergedGroup {
  readonly cookie: bigint;
  readonly entries: readonly MergedEntry[];
}

/** The merged directory after `cookie`, '.' and '..' first, then by position. */
export function* groupsAfter(
  tree: Decision,
  directory: MergedObject,
  cookie: bigint,
): Generator<MergedGroup> {
  if (cookie < DOT_COOKIE) yield { cookie: DOT_COOKIE, entries: [special(tree, '.', directory)] };
  if (cookie < DOT_DOT_COOKIE) {
    const parent = tree.parent(directory);
    yield { cookie: DOT_DOT_COOKIE, entries: [special(tree, '..', parent)] };
  }
  const start = positionOf(cookie + 1n);
  const upper = new Ahead<RecordedName>(tree.entriesFrom(directory, start));
  const lower = new Ahead<LowerEntry>(lowerFrom(tree, directory, start));
  for (;;) {
    const position = nearer(upper.next, lower.next);
    if (position === undefined) return;
    const recorded = upper.takeAll(position);
    const hidden = new Set(recorded.map(({ name }) => name));
    const entries = [
      ...recorded.map((entry) => fromUpper(tree, entry)),
      ...lower
        .takeAll(position)
        .filter(({ name }) => !hidden.has(name))
        .map((entry) => fromLower(tree, entry)),
    ].filter((entry) => entry !== undefined);
    if (entries.length > 0) yield { cookie: cookieOf(position), entries };
  }
}

function special(tree: Decision, name: Filename, object: MergedObject): MergedEntry {
  const attributes = tree.attributes(object);
  const plus = { attributes, handle: tree.handleOf(object) };
  return { name, fileid: attributes.fileid, plus: () => plus };
}

function fromUpper(tree: Decision, { name, id }: RecordedName): MergedEntry | undefined {
  const node = id === 0 ? undefined : tree.node(id);
  if (node === undefined) return undefined;
  const object = objectOf(node);
  return {
    name,
    fileid: node.fileid,
    plus: () => ({ attributes: tree.attributes(object), handle: tree.handleOf(object) }),
  };
}

function fromLower(tree: Decision, { name, fileid, handle }: LowerEntry): MergedEntry {
  const nothing = { attributes: undefined, handle: undefined };
  return {
    name,
    fileid,
    plus: () => {
      const object = handle === undefined ? undefined : tree.ofLower(handle);
      if (object === undefined) return nothing;
      return { attributes: attributesAtHand(tree, object), handle: tree.handleOf(object) };
    },
  };
}

/** A page of names must not cost a round trip for each: clients ask for what they miss. */
function attributesAtHand(tree: Decision, object: MergedObject): Fattr3 | undefined {
  try {
    return tree.attributes(object);
  } catch (error) {
    if (error instanceof MissingFact) return undefined;
    throw error;
  }
}

function* lowerFrom(
  tree: Decision,
  directory: MergedObject,
  start: Position,
): Generator<LowerEntry> {
  if (directory.lower === undefined) return;
  const entries = tree.facts.listing(directory.lower);
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const entry = entries[middle];
    if (entry !== undefined && comparePositions(entry.position, start) < 0) low = middle + 1;
    else high = middle;
  }
  for (let index = low; index < entries.length; index += 1) {
    const entry = entries[index];
    if (entry !== undefined) yield entry;
  }
}

function nearer(
  a: { readonly position: Position } | undefined,
  b: { readonly position: Position } | undefined,
): Position | undefined {
  if (a === undefined || b === undefined) return (a ?? b)?.position;
  return comparePositions(a.position, b.position) <= 0 ? a.position : b.position;
}

/** A stream of entries of which the first is seen before it is taken. */
class Ahead<Entry extends { readonly position: Position }> {
  next: Entry | undefined;
  readonly #entries: Iterator<Entry, void>;

  constructor(entries: Iterator<Entry, void>) {
    this.#entries = entries;
    this.#advance();
  }

  takeAll(position: Position): Entry[] {
    const taken: Entry[] = [];
    while (this.next !== undefined && comparePositions(this.next.position, position) === 0) {
      taken.push(this.next);
      this.#advance();
    }
    return taken;
  }

  #advance(): void {
    const result = this.#entries.next();
    this.next = result.done === true ? undefined : result.value;
  }
}
