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
import { AttributeCache } from '../compact/attribute-cache.ts';
import type { Position } from '../shadow/cookies.ts';
import { latin1 } from '../shadow/records.ts';
import {
  type ListedObject,
  type LowerEntry,
  LowerListing,
  type NamedByLower,
} from './lower-listing.ts';
import { Refusal } from './refusal.ts';
import type { Shadow } from '../shadow/shadow.ts';

/** How much is remembered of the lower, in objects, names, and entries of listed directories. */
const MAX_ATTRIBUTES = 131_072;
const MAX_NAMES = 16_384;
const MAX_LISTED_ENTRIES = 262_144;
/** Entries ready for pages: making one takes longer than all else that a page does with it. */
const MAX_READY_ENTRIES = 8_192;

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
  readonly #shadow: Pick<Shadow, 'fsid' | 'handles' | 'nameHash'>;
  readonly #attributes = new AttributeCache<string>(MAX_ATTRIBUTES);
  readonly #names = new LRUCache<string, Filehandle | typeof ABSENT>({ max: MAX_NAMES });
  readonly #listingsUnderWay = new Map<string, Promise<LowerListing>>();
  readonly #listings = new LRUCache<string, LowerListing>({
    maxSize: MAX_LISTED_ENTRIES,
    sizeCalculation: ({ names }) => names.length + 1,
  });
  /** The listings that were used last, entry by entry, of directories that are not too large. */
  readonly #ready = new LRUCache<LowerListing, readonly LowerEntry[]>({
    maxSize: MAX_READY_ENTRIES,
    sizeCalculation: (entries) => entries.length + 1,
  });

  /** @param credential as whom the lower is read, whoever asks: permissions are checked here. */
  constructor(
    lower: Nfs3Service,
    credential: Credential,
    shadow: Pick<Shadow, 'fsid' | 'handles' | 'nameHash'>,
  ) {
    this.#lower = lower;
    this.#credential = credential;
    this.#shadow = shadow;
  }

  /** The call's own context, but the lower's credential. */
  context(ctx: Nfs3Context): Nfs3Context {
    return { credential: this.#credential, signal: ctx.signal, peer: ctx.peer };
  }

  /** Facts for one decision: what it fetched stays in hand however little the caches hold. */
  inHand(ctx: Nfs3Context): FactsInHand {
    return new FactsInHand(this, ctx);
  }

  /** Notes attributes of the lower, which clients see with the shadow's fsid. */
  note(handle: Filehandle, attributes: Fattr3): Fattr3;
  note(handle: Filehandle, attributes: Fattr3 | undefined): Fattr3 | undefined;
  note(handle: Filehandle, attributes: Fattr3 | undefined): Fattr3 | undefined {
    if (attributes === undefined) return undefined;
    const seen = { ...attributes, fsid: this.#shadow.fsid };
    this.#attributes.set(latin1(handle), seen);
    return seen;
  }

  knownAttributes(key: string): Fattr3 | undefined {
    return this.#attributes.get(key);
  }

  knownName(key: string): Filehandle | typeof ABSENT | undefined {
    return this.#names.get(key);
  }

  knownListing(key: string): LowerListing | undefined {
    return this.#listings.get(key);
  }

  /** The entries of a listing from a position on. */
  entriesFrom(listing: LowerListing, start: Position): Iterable<LowerEntry> {
    const index = listing.indexOf(start);
    const describe = (lower: Filehandle): ListedObject => this.#describe(lower);
    if (listing.names.length >= MAX_READY_ENTRIES) return listing.entries(index, describe);
    let ready = this.#ready.get(listing);
    if (ready === undefined) {
      ready = [...listing.entries(0, describe)];
      this.#ready.set(listing, ready);
    }
    return index === 0 ? ready : ready.slice(index);
  }

  #describe(lower: Filehandle): ListedObject {
    const text = latin1(lower);
    const virtual = this.#shadow.handles.ofLower(lower);
    return { lower, text, virtual, attributes: this.#attributes.get(text) };
  }

  async fetchAttributes(handle: Filehandle, ctx: Nfs3Context): Promise<Fattr3> {
    const result = await this.#lower.getattr({ object: handle }, this.context(ctx));
    if (result.status !== Nfsstat3.OK) throw new Refusal(result.status);
    return this.note(handle, result.attributes);
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

  /**
   * All names of a directory. One listing at a time serves all who ask, and it goes on when they are
   * gone: a large directory may take longer than the patience of a client, which then asks again.
   */
  fetchListing(directory: Filehandle, ctx: Nfs3Context): Promise<LowerListing> {
    const key = latin1(directory);
    const underWay = this.#listingsUnderWay.get(key);
    if (underWay !== undefined) return underWay;
    const context = { ...ctx, signal: new AbortController().signal };
    const listing = this.#readListing(directory, context).finally(() => {
      this.#listingsUnderWay.delete(key);
    });
    this.#listingsUnderWay.set(key, listing);
    return listing;
  }

  async #readListing(directory: Filehandle, ctx: Nfs3Context): Promise<LowerListing> {
    const entries: NamedByLower[] = [];
    try {
      for await (const entry of listDirectory(this.#lower, directory, this.context(ctx))) {
        const { name, fileid, nameHandle: handle } = entry;
        entries.push({ name, fileid, handle, position: this.#shadow.nameHash.position(name) });
        if (handle !== undefined) this.note(handle, entry.nameAttributes);
      }
    } catch (error) {
      if (error instanceof Nfs3Error) throw new Refusal(error.status, { cause: error });
      throw error;
    }
    const listing = new LowerListing(entries);
    this.#listings.set(latin1(directory), listing);
    return listing;
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
  readonly #listings = new Map<string, LowerListing>();

  constructor(facts: LowerFacts, ctx: Nfs3Context) {
    this.#facts = facts;
    this.#ctx = ctx;
  }

  attributes(handle: Filehandle): Fattr3 {
    const key = latin1(handle);
    const known = this.attributesAtHand(key);
    if (known !== undefined) return known;
    throw new MissingFact('attributes', async () => {
      this.#attributes.set(key, await this.#facts.fetchAttributes(handle, this.#ctx));
    });
  }

  /** What is known without asking the lower. `key` is a handle as {@link latin1} text. */
  attributesAtHand(key: string): Fattr3 | undefined {
    return this.#facts.knownAttributes(key) ?? this.#attributes.get(key);
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

  /** The entries of a directory of the lower from a position on, sorted by position. */
  entriesFrom(directory: Filehandle, start: Position): Iterable<LowerEntry> {
    return this.#facts.entriesFrom(this.listing(directory), start);
  }

  listing(directory: Filehandle): LowerListing {
    const key = latin1(directory);
    const known = this.#facts.knownListing(key) ?? this.#listings.get(key);
    if (known !== undefined) return known;
    throw new MissingFact('listing', async () => {
      this.#listings.set(key, await this.#facts.fetchListing(directory, this.#ctx));
    });
  }
}
