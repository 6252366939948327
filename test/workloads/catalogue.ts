import { fsx } from './cases/fsx.ts';
import { posix } from './cases/posix.ts';
import { tarball } from './cases/tarball.ts';
import type { Workload } from './workload.ts';

export const workloads: readonly Workload[] = [fsx, posix, tarball];
