import {
  type DirEntryPlus,
  encodedEntriesPlus,
  type Filehandle,
  type ReaddirplusArgs,
} from '@rowfs/nfs3';
import { LRUCache } from 'lru-cache';
import { latin1 } from '../shadow/records.ts';
import type { Shadow } from '../shadow/shadow.ts';

/** How many entries the kept pages have in all: about 1 KB each. */
const MAX_ENTRIES = 8_192;

/** What READDIRPLUS answers but the attributes of the directory itself. */
export interface PlusPage {
  readonly entries: readonly DirEntryPlus[];
  readonly eof: boolean;
}

interface KeptPage extends PlusPage {
  /** How many objects of the lower were changed when it was made. */
  readonly changes: number;
}

/** Where a page begins, and how much it may hold. */
type PageRequest = Pick<ReaddirplusArgs, 'cookie' | 'dircount' | 'maxcount'>;

/**
 * Pages of READDIRPLUS with nothing but unchanged objects of the lower, as they are sent. They stay
 * true until another object of the lower is changed, whichever: the first change of an object is rare.
 */
export class UnchangedPages {
  readonly #shadow: Pick<Shadow, 'changedLowerCount'>;
  readonly #pages = new LRUCache<string, KeptPage>({
    maxSize: MAX_ENTRIES,
    sizeCalculation: ({ entries }) => entries.length + 1,
  });

  constructor(shadow: Pick<Shadow, 'changedLowerCount'>) {
    this.#shadow = shadow;
  }

  /** @param directory its handle in the lower. */
  get(directory: Filehandle, request: PageRequest): PlusPage | undefined {
    const page = this.#pages.get(keyOf(directory, request));
    return page?.changes === this.#shadow.changedLowerCount ? page : undefined;
  }

  /** @returns the page as it is kept. */
  keep(directory: Filehandle, request: PageRequest, { entries, eof }: PlusPage): PlusPage {
    const changes = this.#shadow.changedLowerCount;
    const page = { entries: encodedEntriesPlus(entries), eof, changes };
    this.#pages.set(keyOf(directory, request), page);
    return page;
  }
}

function keyOf(directory: Filehandle, { cookie, dircount, maxcount }: PageRequest): string {
  return `${latin1(directory)}/${cookie}/${dircount}/${maxcount}`;
}
