import type { MountedTree } from './mounted-tree.ts';

/** One thing that was tried on a file system. Its name is the same on each, so that sets of failures compare. */
export type Check = {
  readonly name: string;
  readonly passed: boolean;
  /** Why it failed; empty when it passed. */
  readonly detail: string;
};

export type RunOptions = {
  /** The whole of it, not what a continuous integration has the time for. */
  readonly long: boolean;
};

/** The same work for each file system, in a tree that was the same on each. */
export type Workload = {
  readonly name: string;
  readonly description: string;
  /** Puts what it needs into the image, on the host, before anything is mounted. */
  prepare(imageTree: string, options: RunOptions): Promise<void>;
  /** Never throws because of what the file system did: that is a failed check. */
  run(tree: MountedTree, options: RunOptions): Promise<readonly Check[]>;
};
