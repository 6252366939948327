import { runSteps } from '../steps.ts';
import type { Workload } from '../workload.ts';

export const tarball: Workload = {
  name: 'tarball',
  description: 'a tree packed, unpacked beside itself and compared, and the tarball read again',
  prepare: async () => undefined,
  run: (tree) =>
    runSteps(tree, {
      directory: '/srv/workloads/tarball',
      steps: [
        ['pack', 'tar -C /usr/include -czf include.tar.gz .'],
        ['unpack', 'mkdir include && tar -C include -xzf include.tar.gz'],
        ['compare contents', 'diff -r --no-dereference /usr/include include'],
        ['compare attributes', 'tar -C include --compare -zf include.tar.gz'],
        ['compare with the original', 'tar -C /usr/include --compare -zf include.tar.gz'],
        ['remove', 'rm -r include && test ! -e include'],
      ],
    }),
};
