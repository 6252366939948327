/**
 * How urgent a block is: a client that waits goes before what it will read next, and that before what
 * the machine may need some day.
 */
export type Urgency = 'demand' | 'read-ahead' | 'prefetch';

/** Where the blocks of one image come from when the cache does not have them. */
export interface BlockFetcher {
  /**
   * The image's stored block of this number (`ImageBlock.stored.number`): exactly its bytes, proven by
   * its digest. Asking again for one that is under way gives the same promise, and the greater urgency
   * of the two. Neighbours that are asked for together are fetched together.
   *
   * @throws FetchError when no server has it right, or none can be reached.
   */
  fetch(blockNumber: number, urgency: Urgency): Promise<Buffer>;
  /**
   * A file may be read soon: what must be known before its blocks can be fetched is found out now, after all
   * that is wanted. It costs some hundred bytes, and saves whoever does read it a round trip.
   */
  expect(fileid: number): void;
}
