import type { Fattr3, Filehandle, Filename, Nfs3Context } from '@rowfs/nfs3';
import type { Position } from '../shadow/cookies.ts';
import type { LowerEntry, LowerListing } from './lower-listing.ts';

/** What is known of the lower, which is immutable: what was true once stays true. */
export interface LowerFacts {
  /** The call's own context, but the credential that the lower is read with. */
  context(ctx: Nfs3Context): Nfs3Context;
  /** Facts for one decision. */
  inHand(ctx: Nfs3Context): FactsInHand;
}

/**
 * The lower as a decision sees it: synchronous. Every method throws {@link MissingFact} for a fact
 * that has to be fetched, and Refusal for one that the lower refused.
 */
export interface FactsInHand {
  attributes(handle: Filehandle): Fattr3;
  /** What is known without asking the lower. `key` is a handle as latin1 text. */
  attributesAtHand(key: string): Fattr3 | undefined;
  /** The handle of a name in a directory of the lower; undefined when it has no such name. */
  child(directory: Filehandle, name: Filename): Filehandle | undefined;
  listing(directory: Filehandle): LowerListing;
  /** The entries of a directory of the lower from a position on, sorted by position. */
  entriesFrom(directory: Filehandle, start: Position): Iterable<LowerEntry>;
}

/** A decision cannot be made before this is fetched; then it is begun anew. */
export class MissingFact extends Error {
  override readonly name = 'MissingFact';
  readonly fetch: () => Promise<void>;

  constructor(what: string, fetch: () => Promise<void>) {
    super(what);
    this.fetch = fetch;
  }
}
