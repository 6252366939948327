import {
  asCaller,
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
import { AttributeCache } from '../compact/attribute-cache.ts';
import { HandleCache } from '../compact/handle-cache.ts';
import type { KnownAttributes } from '../known-attributes.ts';
import type { Position } from '../shadow/cookies.ts';
import { latin1 } from '../shadow/records.ts';
import type { Shadow } from '../shadow/shadow.ts';
import { ListingCache } from './listing-cache.ts';
import { type FactsInHand, type LowerFacts, MissingFact } from './lower-facts.ts';
import { type LowerEntry, LowerListing, type NamedByLower } from './lower-listing.ts';
import { Refusal } from './refusal.ts';

/** How much is remembered of the lower, in objects and names. */
const MAX_ATTRIBUTES = 131_072;
const MAX_NAMES = 16_384;
const MAX_LISTED_ENTRIES = 262_144;

/** The lower's attributes by handles as latin1 text. */
interface AttributeMemory {
  get(handle: string): Fattr3 | undefined;
  note(handle: Filehandle, attributes: Fattr3): void;
}

function ownMemory(): AttributeMemory {
  const attributes = new AttributeCache<string>(MAX_ATTRIBUTES);
  return {
    get: (handle) => attributes.get(handle),
    note: (handle, seen) => attributes.set(latin1(handle), seen),
  };
}

/** What the lower has said it knows itself. */
function memoryOf(lower: KnownAttributes): AttributeMemory {
  return { get: (handle) => lower.knownAttributes(handle), note: () => undefined };
}

/** A directory's own handle and a name in it, as one key. */
function nameKey(directory: Filehandle, name: Filename): string {
  return `${latin1(directory)}/${name}`;
}

/** The name is not there: remembered as well as a handle is. */
const ABSENT = Symbol('absent');

/** What was learnt of a lower by asking it, remembered as far as memory allows. */
export class LearntFacts implements LowerFacts {
  readonly #lower: Nfs3Service;
  readonly #credential: Credential;
  readonly #shadow: Pick<Shadow, 'fsid' | 'handles' | 'nameHash'>;
  readonly #attributes: AttributeMemory;
  /** An empty handle, which no object has, stands for {@link ABSENT}. */
  readonly #names = new HandleCache<string>(MAX_NAMES);
  readonly #listingsUnderWay = new Map<string, Promise<LowerListing>>();
  readonly #listings: ListingCache;

  /**
   * @param credential as whom the lower is read, whoever asks: permissions are checked here.
   * @param known attributes that the lower remembers, and that are not remembered here then.
   */
  constructor(
    lower: Nfs3Service,
    credential: Credential,
    shadow: Pick<Shadow, 'fsid' | 'handles' | 'nameHash'>,
    known: KnownAttributes | undefined,
  ) {
    this.#lower = lower;
    this.#credential = credential;
    this.#shadow = shadow;
    this.#attributes = known === undefined ? ownMemory() : memoryOf(known);
    this.#listings = new ListingCache(MAX_LISTED_ENTRIES, shadow.handles, (_, text) =>
      this.knownAttributes(text),
    );
  }

  context(ctx: Nfs3Context): Nfs3Context {
    return asCaller(ctx, this.#credential);
  }

  /** What a decision fetched stays in hand, however little the caches hold. */
  inHand(ctx: Nfs3Context): FactsInHand {
    return new LearntInHand(this, ctx);
  }

  /** Notes attributes of the lower, which clients see with the shadow's fsid. */
  note(handle: Filehandle, attributes: Fattr3): Fattr3;
  note(handle: Filehandle, attributes: Fattr3 | undefined): Fattr3 | undefined;
  note(handle: Filehandle, attributes: Fattr3 | undefined): Fattr3 | undefined {
    if (attributes === undefined) return undefined;
    this.#attributes.note(handle, attributes);
    return { ...attributes, fsid: this.#shadow.fsid };
  }

  knownAttributes(key: string): Fattr3 | undefined {
    const known = this.#attributes.get(key);
    return known && { ...known, fsid: this.#shadow.fsid };
  }

  knownName(key: string): Filehandle | typeof ABSENT | undefined {
    const known = this.#names.get(key);
    return known?.length === 0 ? ABSENT : known;
  }

  knownListing(key: string): LowerListing | undefined {
    return this.#listings.get(key);
  }

  entriesFrom(listing: LowerListing, start: Position): Iterable<LowerEntry> {
    return this.#listings.entriesFrom(listing, start);
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
    const found = result.status === Nfsstat3.OK ? result.object : ABSENT;
    if (result.status === Nfsstat3.OK) this.note(result.object, result.objAttributes);
    this.#names.set(nameKey(directory, name), found === ABSENT ? new Uint8Array(0) : found);
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

class LearntInHand implements FactsInHand {
  readonly #facts: LearntFacts;
  readonly #ctx: Nfs3Context;
  readonly #attributes = new Map<string, Fattr3>();
  readonly #names = new Map<string, Filehandle | typeof ABSENT>();
  readonly #listings = new Map<string, LowerListing>();

  constructor(facts: LearntFacts, ctx: Nfs3Context) {
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

  attributesAtHand(key: string): Fattr3 | undefined {
    return this.#facts.knownAttributes(key) ?? this.#attributes.get(key);
  }

  child(directory: Filehandle, name: Filename): Filehandle | undefined {
    const key = nameKey(directory, name);
    const known = this.#facts.knownName(key) ?? this.#names.get(key);
    if (known !== undefined) return known === ABSENT ? undefined : known;
    throw new MissingFact('name', async () => {
      this.#names.set(key, await this.#facts.fetchName(directory, name, this.#ctx));
    });
  }

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
