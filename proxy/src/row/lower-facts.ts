import {
  type Fattr3,
  type Filehandle,
  type Filename,
  listDirectory,
  Nfs3Error,
  type Nfs3Context,
  type Nfs3Service,
  Nfsstat3,
} from '@rowfs/nfs3';
import type { Credential } from '@rowfs/oncrpc';
import { LRUCache } from 'lru-cache';
import { comparePositions, type NameHash, type Position } from './cookies.ts';
import { latin1 } from './records.ts';
import { Refusal } from './refusal.ts';

/** One name of a directory of the lower. */
export interface LowerEntry {
  readonly name: Filename;
  readonly position: Position;
  readonly fileid: bigint;
  /** Undefined when the lower's listing does not tell handles. */
  readonly handle: Filehandle | undefined;
}

/** How much is remembered of the lower, in objects, names, and entries of listed directories. */
const MAX_ATTRIBUTES = 32_768;
const MAX_NAMES = 32_768;
const MAX_LISTED_ENTRIES = 262_144;

/** A directory's own handle and a name in it, as one key. */
function nameKey(directory: Filehandle, name: Filename): string {
  return `${latin1(directory)}/${name}`;
}

/** The name is not there: remembered as well as a handle is. */
const ABSENT = Symbol('absent');

/**
 * What is known of the lower. It is immutable, so what was once learnt stays true, and is remembered
 * as far as memory allows.
 */
export class LowerFacts {
  readonly #lower: Nfs3Service;
  readonly #credential: Credential;
  readonly #hash: NameHash;
  readonly #attributes = new LRUCache<string, Fattr3>({ max: MAX_ATTRIBUTES });
  readonly #names = new LRUCache<string, Filehandle | typeof ABSENT>({ max: MAX_NAMES });
  readonly #listings = new LRUCache<string, readonly LowerEntry[]>({
    maxSize: MAX_LISTED_ENTRIES,
    sizeCalculation: (entries) => entries.length + 1,
  });

  /** @param credential as whom the lower is read, whoever asks: permissions are checked here. */
  constructor(lower: Nfs3Service, credential: Credential, hash: NameHash) {
    this.#lower = lower;
    this.#credential = credential;
    this.#hash = hash;
  }

  /** The call's own context, but the lower's credential. */
  context(ctx: Nfs3Context): Nfs3Context {
    return { credential: this.#credential, signal: ctx.signal, peer: ctx.peer };
  }

  /** Facts for one decision: what it fetched stays in hand however little the caches hold. */
  inHand(ctx: Nfs3Context): FactsInHand {
    return new FactsInHand(this, ctx);
  }

  /** Notes the attributes that came along with another answer. */
  note(handle: Filehandle, attributes: Fattr3 | undefined): void {
    if (attributes !== undefined) this.#attributes.set(latin1(handle), attributes);
  }

  knownAttributes(key: string): Fattr3 | undefined {
    return this.#attributes.get(key);
  }

  knownName(key: string): Filehandle | typeof ABSENT | undefined {
    return this.#names.get(key);
  }

  knownListing(key: string): readonly LowerEntry[] | undefined {
    return this.#listings.get(key);
  }

  async fetchAttributes(handle: Filehandle, ctx: Nfs3Context): Promise<Fattr3> {
    const result = await this.#lower.getattr({ object: handle }, this.context(ctx));
    if (result.status !== Nfsstat3.OK) throw new Refusal(result.status);
    this.note(handle, result.attributes);
    return result.attributes;
  }

  async fetchName(
    directory: Filehandle,
    name: Filename,
    ctx: Nfs3Context,
  ): Promise<Filehandle | typeof ABSENT> {
    const what = { dir: directory, name };
    const result = await this.#lower.lookup({ what }, this.context(ctx));
    if (result.status !== Nfsstat3.OK && result.status !== Nfsstat3.NOENT) {
      throw new Refusal(result.status);
    }
    this.note(directory, result.dirAttributes);
    // Copied: a handle that is kept must not keep the whole message that it came in.
    const found = result.status === Nfsstat3.OK ? Buffer.from(result.object) : ABSENT;
    if (result.status === Nfsstat3.OK) this.note(result.object, result.objAttributes);
    this.#names.set(nameKey(directory, name), found);
    return found;
  }

  async fetchListing(directory: Filehandle, ctx: Nfs3Context): Promise<readonly LowerEntry[]> {
    const entries: LowerEntry[] = [];
    try {
      for await (const entry of listDirectory(this.#lower, directory, this.context(ctx))) {
        const { name, fileid, nameHandle } = entry;
        const handle = nameHandle === undefined ? undefined : Buffer.from(nameHandle);
        entries.push({ name, fileid, handle, position: this.#hash.position(name) });
        if (handle !== undefined) this.note(handle, entry.nameAttributes);
      }
    } catch (error) {
      if (error instanceof Nfs3Error) throw new Refusal(error.status, { cause: error });
      throw error;
    }
    entries.sort((a, b) => comparePositions(a.position, b.position));
    this.#listings.set(latin1(directory), entries);
    return entries;
  }
}

/** Thrown by a decision that cannot be made before this is fetched; see {@link FactsInHand}. */
export class MissingFact extends Error {
  override readonly name = 'MissingFact';
  readonly fetch: () => Promise<void>;

  constructor(what: string, fetch: () => Promise<void>) {
    super(what);
    this.fetch = fetch;
  }
}

/**
 * The lower as a decision sees it: synchronous. A fact that is not known is thrown as
 * {@link MissingFact}; the decision is begun anew once it is there.
 */
export class FactsInHand {
  readonly #facts: LowerFacts;
  readonly #ctx: Nfs3Context;
  readonly #attributes = new Map<string, Fattr3>();
  readonly #names = new Map<string, Filehandle | typeof ABSENT>();
  readonly #listings = new Map<string, readonly LowerEntry[]>();

  constructor(facts: LowerFacts, ctx: Nfs3Context) {
    this.#facts = facts;
    this.#ctx = ctx;
  }

  attributes(handle: Filehandle): Fattr3 {
    const key = latin1(handle);
    const known = this.#facts.knownAttributes(key) ?? this.#attributes.get(key);
    if (known !== undefined) return known;
    throw new MissingFact('attributes', async () => {
      this.#attributes.set(key, await this.#facts.fetchAttributes(handle, this.#ctx));
    });
  }

  /** The handle of a name in a directory of the lower; undefined when it has no such name. */
  child(directory: Filehandle, name: Filename): Filehandle | undefined {
    const key = nameKey(directory, name);
    const known = this.#facts.knownName(key) ?? this.#names.get(key);
    if (known !== undefined) return known === ABSENT ? undefined : known;
    throw new MissingFact('name', async () => {
      this.#names.set(key, await this.#facts.fetchName(directory, name, this.#ctx));
    });
  }

  /** All names of a directory of the lower, sorted by position. */
  listing(directory: Filehandle): readonly LowerEntry[] {
    const key = latin1(directory);
    const known = this.#facts.knownListing(key) ?? this.#listings.get(key);
    if (known !== undefined) return known;
    throw new MissingFact('listing', async () => {
      this.#listings.set(key, await this.#facts.fetchListing(directory, this.#ctx));
    });
  }
}
