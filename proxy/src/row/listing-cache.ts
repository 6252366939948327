import type { Fattr3, Filehandle } from '@rowfs/nfs3';
import { LRUCache } from 'lru-cache';
import type { Position } from '../shadow/cookies.ts';
import type { HandleCodec } from '../shadow/handle.ts';
import { latin1 } from '../shadow/records.ts';
import type { ListedObject, LowerEntry, LowerListing } from './lower-listing.ts';

/** How many entries are kept of the directories of the lower that were listed last. */
const MAX_LISTED_ENTRIES = 262_144;
/** Entries ready for pages: making one takes longer than all else that a page does with it. */
const MAX_READY_ENTRIES = 8_192;

/** The directories of the lower that were listed last, by handle as latin1 text. */
export class ListingCache {
  readonly #handles: HandleCodec;
  readonly #attributesOf: (lower: Filehandle, text: string) => Fattr3 | undefined;
  readonly #listings = new LRUCache<string, LowerListing>({
    maxSize: MAX_LISTED_ENTRIES,
    sizeCalculation: ({ names }) => names.length + 1,
  });
  /** The listings that were used last, entry by entry, of directories that are not too large. */
  readonly #ready = new LRUCache<LowerListing, readonly LowerEntry[]>({
    maxSize: MAX_READY_ENTRIES,
    sizeCalculation: (entries) => entries.length + 1,
  });

  /** @param attributesOf what is known of an object of the lower without asking. */
  constructor(
    handles: HandleCodec,
    attributesOf: (lower: Filehandle, text: string) => Fattr3 | undefined,
  ) {
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
    const virtual = this.#handles.ofLower(lower);
    return { lower, text, virtual, attributes: this.#attributesOf(lower, text) };
  }
}
