import { runSteps } from '../steps.ts';
import type { Workload } from '../workload.ts';

const REPOSITORY = '/srv/workloads/repository';
const FSCK = 'fsck --full --strict --no-progress';

export const git: Workload = {
  name: 'git',
  description: 'a repository cloned by links and by packs, changed, packed and checked',
  prepare: async () => undefined,
  run: (tree) =>
    runSteps(tree, {
      directory: '/srv/workloads/git',
      steps: [
        ['clone', `git clone --quiet ${REPOSITORY} clone`],
        ['fsck of the clone', `git -C clone ${FSCK}`],
        [
          'the clone is what was committed',
          'cd clone && test -z "$(git status --porcelain)" && git diff --quiet HEAD',
        ],
        ['clone without links', `git clone --quiet --no-local ${REPOSITORY} copy`],
        ['both clones are the same', 'diff -r --exclude=.git clone copy'],
        [
          'check out another version',
          'cd clone && git checkout --quiet half-way && test -z "$(git status --porcelain)" && test -d linux/usb',
        ],
        [
          'commit on a branch',
          `cd clone && git checkout --quiet -b work && git mv linux/dvb dvb && printf x >>perl/Git.pm && git add . &&
          git commit --quiet --all --message='Move and change' && test -z "$(git status --porcelain)"`,
        ],
        [
          'merge',
          'cd clone && git merge --quiet --no-edit origin/main && test ! -e linux/usb && test -d dvb',
        ],
        ['pack', 'cd clone && git gc --quiet --prune=now'],
        ['fsck of what was packed', `git -C clone ${FSCK}`],
        [
          'push',
          `git init --quiet --bare bare.git && git -C clone push --quiet ../bare.git work && git -C bare.git ${FSCK}`,
        ],
        [
          'commit where the image has its repository',
          `cd ${REPOSITORY} && git rm --quiet -r linux/hdlc && git commit --quiet --message='Remove more'`,
        ],
        [
          'pack there',
          `cd ${REPOSITORY} && git gc --quiet --prune=now && git ${FSCK} && test -z "$(git status --porcelain)"`,
        ],
        ['pull from there', 'cd copy && git pull --quiet --ff-only && test ! -e linux/hdlc'],
      ],
    }),
};
