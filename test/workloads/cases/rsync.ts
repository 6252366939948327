import { runSteps } from '../steps.ts';
import type { Workload } from '../workload.ts';

/** Ends with status 0 when nothing has to be changed to make them the same, by contents and attributes. */
function same(from: string, to: string): string {
  return `test -z "$(rsync -aH --checksum --delete --dry-run --itemize-changes ${from} ${to})"`;
}

export const rsync: Workload = {
  name: 'rsync',
  description: 'trees copied by rsync in several ways, and compared by checksum',
  prepare: async () => undefined,
  run: (tree) =>
    runSteps(tree, {
      directory: '/srv/workloads/rsync',
      steps: [
        ['copy a tree of the image', 'rsync -aH /usr/share/perl5/ copy'],
        ['the copy is the same', same('/usr/share/perl5/', 'copy')],
        [
          'change it',
          'rm -r copy/Dpkg && printf changed >>copy/Git.pm && chmod 600 copy/Git/*.pm && mkdir copy/new && ln copy/Git.pm copy/linked',
        ],
        ['mend it', 'rsync -aH --checksum --delete /usr/share/perl5/ copy'],
        ['it is mended', same('/usr/share/perl5/', 'copy')],
        [
          'copy by links',
          'rsync -aH --link-dest="$PWD/copy" copy/ linked && test "$(stat -c %i copy/Git.pm)" = "$(stat -c %i linked/Git.pm)"',
        ],
        ['the links are the same', same('copy/', 'linked')],
        [
          'overwrite a program of the image in place',
          `cp /usr/bin/git original && cp original changed &&
          printf changed | dd of=changed bs=1 seek=1000000 conv=notrunc &&
          rsync --inplace --checksum changed /usr/bin/git && cmp changed /usr/bin/git`,
        ],
        ['only that changed', 'test "$(cmp -l original /usr/bin/git | wc -l)" -le 7'],
        [
          'mend it in place',
          'rsync -a --inplace --checksum original /usr/bin/git && cmp original /usr/bin/git',
        ],
      ],
    }),
};
