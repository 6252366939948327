import {
  asCaller,
  type Fattr3,
  type Filehandle,
  type Filename,
  type Nfs3Context,
  Nfsstat3,
} from '@rowfs/nfs3';
import type { Credential } from '@rowfs/oncrpc';
import type { Position } from '../shadow/cookies.ts';
import { latin1 } from '../shadow/records.ts';
import type { Shadow } from '../shadow/shadow.ts';
import { ListingCache } from './listing-cache.ts';
import type { FactsInHand, LowerFacts } from './lower-facts.ts';
import { type LowerEntry, LowerListing } from './lower-listing.ts';
import type { LowerTree } from './lower-tree.ts';
import { Refusal } from './refusal.ts';

/**
 * How many entries are kept of directories that were listed: for a listing that goes on, and no more.
 * Telling the names of a directory of usual size anew takes less than a millisecond.
 */
const MAX_LISTED_ENTRIES = 16_384;

/** The facts of a lower that tells them at once: no fact is ever missing. */
export class ToldFacts implements LowerFacts, FactsInHand {
  readonly #tree: LowerTree;
  readonly #credential: Credential;
  readonly #fsid: bigint;
  readonly #nameHash: Shadow['nameHash'];
  readonly #listings: ListingCache;

  /** @param credential as whom the lower is read, whoever asks: permissions are checked here. */
  constructor(
    tree: LowerTree,
    credential: Credential,
    { fsid, handles, nameHash }: Pick<Shadow, 'fsid' | 'handles' | 'nameHash'>,
  ) {
    this.#tree = tree;
    this.#credential = credential;
    this.#fsid = fsid;
    this.#nameHash = nameHash;
    this.#listings = new ListingCache(MAX_LISTED_ENTRIES, handles, (lower) =>
      this.attributes(lower),
    );
  }

  context(ctx: Nfs3Context): Nfs3Context {
    return asCaller(ctx, this.#credential);
  }

  inHand(): FactsInHand {
    return this;
  }

  attributes(handle: Filehandle): Fattr3 {
    const attributes = this.#tree.attributes(handle, this.#fsid);
    if (typeof attributes === 'number') throw new Refusal(attributes);
    return attributes;
  }

  attributesAtHand(key: string): Fattr3 {
    return this.attributes(Buffer.from(key, 'latin1'));
  }

  child(directory: Filehandle, name: Filename): Filehandle | undefined {
    const child = this.#tree.child(directory, name);
    if (child === Nfsstat3.NOENT) return undefined;
    if (typeof child === 'number') throw new Refusal(child);
    return child;
  }

  /** Only directories that were listed are kept: sorting one takes longer than telling its names. */
  listing(directory: Filehandle): LowerListing {
    const key = latin1(directory);
    const known = this.#listings.get(key);
    if (known !== undefined) return known;
    const names = this.#tree.list(directory);
    if (typeof names === 'number') throw new Refusal(names);
    const listing = new LowerListing(
      names.map(({ name, fileid }) => ({
        name,
        fileid: BigInt(fileid),
        handle: this.#tree.handleOf(fileid),
        position: this.#nameHash.position(name),
      })),
    );
    this.#listings.set(key, listing);
    return listing;
  }

  entriesFrom(directory: Filehandle, start: Position): Iterable<LowerEntry> {
    return this.#listings.entriesFrom(this.listing(directory), start);
  }
}
