import type { Fattr3, Filehandle } from '@rowfs/nfs3';
import { LRUCache } from 'lru-cache';
import type { Position } from '../shadow/cookies.ts';
import type { HandleCodec } from '../shadow/handle.ts';
import { latin1 } from '../shadow/records.ts';
import type { ListedObject, LowerEntry, LowerListing } from './lower-listing.ts';

/** Entries ready for pages: making one takes longer than all else that a page does with it. */
const MAX_READY_ENTRIES = 8_192;

/** The directories of the lower that were listed last, by handle as latin1 text. */
export class ListingCache {
  readonly #handles: HandleCodec;
  readonly #attributesOf: (lower: Filehandle, text: string) => Fattr3 | undefined;
  readonly #listings: LRUCache<string, LowerListing>;
  /** Those of which a page was asked for. A walk asks for one of each, and never again. */
  readonly #asked = new WeakSet<LowerListing>();
  /** The listings that were used again and again, entry by entry, of directories that are not too large. */
  readonly #ready = new LRUCache<LowerListing, readonly LowerEntry[]>({
    maxSize: MAX_READY_ENTRIES,
    sizeCalculation: (entries) => entries.length + 1,
  });

  /**
   * @param maxEntries how many entries are kept; a directory that has more of them is kept alone.
   * @param attributesOf what is known of an object of the lower without asking.
   */
  constructor(
    maxEntries: number,
    handles: HandleCodec,
    attributesOf: (lower: Filehandle, text: string) => Fattr3 | undefined,
  ) {
    this.#listings = new LRUCache({
      maxSize: maxEntries,
      sizeCalculation: ({ names }) => Math.min(names.length + 1, maxEntries),
    });
    this.#handles = handles;
    this.#attributesOf = attributesOf;
  }

  get(key: string): LowerListing | undefined {
    return this.#listings.get(key);
  }

  set(key: string, listing: LowerListing): void {
    this.#listings.set(key, listing);
  }

  /** The entries of a listing from a position on. */
  entriesFrom(listing: LowerListing, start: Position): Iterable<LowerEntry> {
    const index = listing.indexOf(start);
    const describe = (lower: Filehandle): ListedObject => this.#describe(lower);
    const isAskedAgain = this.#asked.has(listing);
    this.#asked.add(listing);
    if (!isAskedAgain || listing.names.length >= MAX_READY_ENTRIES)
      return listing.entries(index, describe);
    let ready = this.#ready.get(listing);
    if (ready === undefined) {
      ready = [...listing.entries(0, describe)];
      this.#ready.set(listing, ready);
    }
    return index === 0 ? ready : ready.slice(index);
  }

  #describe(lower: Filehandle): ListedObject {
    const text = latin1(lower);
    const virtual = this.#handles.ofLower(lower);
    return { lower, text, virtual, attributes: this.#attributesOf(lower, text) };
  }
}
