import { build } from './cases/build.ts';
import { fsx } from './cases/fsx.ts';
import { git } from './cases/git.ts';
import { packages } from './cases/packages.ts';
import { posix } from './cases/posix.ts';
import { rsync } from './cases/rsync.ts';
import { sqlite } from './cases/sqlite.ts';
import { tarball } from './cases/tarball.ts';
import type { Workload } from './workload.ts';

/** In this order: the last of them changes the tree that the others use. */
export const workloads: readonly Workload[] = [
  fsx,
  posix,
  build,
  git,
  sqlite,
  rsync,
  tarball,
  packages,
];
