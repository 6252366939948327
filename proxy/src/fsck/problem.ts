import type { Writes } from '../store/journal.ts';

/** What can be wrong with a shadow. */
export type ProblemCode =
  /** A record that no table has, or that cannot be read. */
  | 'BAD_RECORD'
  /** The shadow's id, format or next node id is missing or wrong. */
  | 'BAD_FACT'
  /** A name for a node that is not there. */
  | 'NAME_WITHOUT_NODE'
  /** Names recorded for what is no directory, or not where they are looked for. */
  | 'MISPLACED_NAME'
  /** A node that no name leads to. */
  | 'NODE_WITHOUT_NAME'
  /** A directory with several names, with another parent than it says, or within itself. */
  | 'BAD_DIRECTORY'
  /** A count, size or limit in a node that disagrees with what is there. */
  | 'BAD_NODE'
  /** An object of the image and its node that do not know each other. */
  | 'BAD_LOWER'
  /** Blocks that count as written here, and are not. */
  | 'LOST_CONTENTS'
  /** Contents, or presence bits, of no file. */
  | 'ORPHAN'
  /** The path table, which finds objects of the image, contradicts itself. */
  | 'BAD_PATH'
  /** Something else among the shadow's own files. */
  | 'UNKNOWN_FILE';

/** One thing that is wrong, in words. */
export interface Problem {
  readonly code: ProblemCode;
  readonly what: string;
  /** A crash leaves this, and the next start of the proxy clears it away: nothing is wrong. */
  readonly leftover: boolean;
  readonly mended: boolean;
}

/** How to mend a problem: all that is known for certain, nothing that is a guess. */
export type Mend =
  | { readonly writes: Writes }
  | { readonly remove: string }
  | { readonly cut: string; readonly size: number }
  | { readonly makeDirectory: string };

export interface Finding {
  readonly code: ProblemCode;
  readonly what: string;
  readonly leftover?: boolean;
  /** Undefined when only a guess could mend it. */
  readonly mend?: Mend;
}
