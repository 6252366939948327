import type { Fattr3, Filehandle, Filename } from '@rowfs/nfs3';
import {
  comparePositions,
  cookieOf,
  DOT_COOKIE,
  DOT_DOT_COOKIE,
  type Position,
  positionOf,
} from '../shadow/cookies.ts';
import { type Decision, type MergedObject, objectOf, type RecordedName } from './decision.ts';
import type { ListedObject, LowerEntry } from './lower-listing.ts';

/** What of an object's attributes and its handle can be told without asking the lower. */
export interface Plus {
  readonly attributes: Fattr3 | undefined;
  readonly handle: Filehandle | undefined;
  /** All is told, of an object of the lower that was never changed. */
  readonly isUnchanged: boolean;
}

/** A name of the merged directory. */
export interface MergedEntry {
  readonly name: Filename;
  readonly fileid: bigint;
  /** Undefined when the lower's listing does not tell it. */
  readonly object: MergedObject | ListedObject | undefined;
}

const NOTHING: Plus = { attributes: undefined, handle: undefined, isUnchanged: false };

/** What READDIRPLUS has for an entry besides its name. */
export function plusOf(tree: Decision, { object }: MergedEntry): Plus {
  if (object === undefined) return NOTHING;
  if (!('text' in object)) {
    const isUnchanged = object.node === undefined;
    return { attributes: tree.attributes(object), handle: tree.handleOf(object), isUnchanged };
  }
  const merged = tree.ofLower(object.lower, object.text);
  if (merged === undefined) return NOTHING;
  // A page of names must not cost a round trip for each: clients ask for what they miss.
  const attributes =
    merged.node === undefined
      ? (object.attributes ?? tree.facts.attributesAtHand(object.text))
      : tree.attributes(merged);
  const isUnchanged = merged.node === undefined && attributes !== undefined;
  return { attributes, handle: object.virtual, isUnchanged };
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
  if (directory.node === undefined) {
    yield* lowerGroups(tree, directory, start);
    return;
  }
  const upper = new Ahead<RecordedName>(tree.entriesFrom(directory, start));
  const lower = new Ahead<LowerEntry>(lowerFrom(tree, directory, start)[Symbol.iterator]());
  for (;;) {
    const position = nearer(upper.next, lower.next);
    if (position === undefined) return;
    const recorded = upper.takeAll(position);
    const hidden = new Set(recorded.map(({ name }) => name));
    const entries = [
      ...recorded.map((entry) => fromUpper(tree, entry)),
      ...lower.takeAll(position).filter(({ name }) => !hidden.has(name)),
    ].filter((entry) => entry !== undefined);
    if (entries.length > 0) yield { cookie: cookieOf(position), entries };
  }
}

/** A directory with nothing recorded: as the lower has it. */
function* lowerGroups(
  tree: Decision,
  directory: MergedObject,
  start: Position,
): Generator<MergedGroup> {
  let group: { cookie: bigint; entries: LowerEntry[] } | undefined;
  for (const entry of lowerFrom(tree, directory, start)) {
    if (group?.cookie === entry.cookie) {
      group.entries.push(entry);
      continue;
    }
    if (group !== undefined) yield group;
    group = { cookie: entry.cookie, entries: [entry] };
  }
  if (group !== undefined) yield group;
}

function special(tree: Decision, name: Filename, object: MergedObject): MergedEntry {
  return { name, fileid: tree.attributes(object).fileid, object };
}

function fromUpper(tree: Decision, { name, id }: RecordedName): MergedEntry | undefined {
  const node = id === 0 ? undefined : tree.node(id);
  if (node === undefined) return undefined;
  return { name, fileid: node.fileid, object: objectOf(node) };
}

function lowerFrom(tree: Decision, directory: MergedObject, start: Position): Iterable<LowerEntry> {
  return directory.lower === undefined ? [] : tree.facts.entriesFrom(directory.lower, start);
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
  readonly #entries: Iterator<Entry, unknown>;

  constructor(entries: Iterator<Entry, unknown>) {
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
