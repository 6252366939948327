import { runSteps } from '../steps.ts';
import type { Workload } from '../workload.ts';

const APT = 'apt-get --quiet=2 --yes -o Dpkg::Use-Pty=0';
const INSTALLED = 'jq libjq1 libonig5 less bc cron nano';

export const packages: Workload = {
  name: 'packages',
  description: 'Debian packages installed, used, verified, removed and installed again',
  prepare: async () => undefined,
  run: (tree) =>
    runSteps(tree, {
      directory: '/srv/workloads/installing',
      steps: [
        ['apt-get update', `${APT} update`],
        ['apt-get install', `${APT} install ${INSTALLED}`],
        [
          'dpkg finds all in order',
          'test -z "$(dpkg --audit)" && dpkg --status cron | grep -q "ok installed"',
        ],
        ['a program runs', `test "$(echo '{"a":[1,2]}' | jq .a[1])" = 2`],
        ['another, too', 'test "$(echo "2^100" | bc)" = 1267650600228229401496703205376'],
        [
          'set-group is set',
          'test -g /usr/bin/crontab && test "$(stat -c %G /usr/bin/crontab)" = crontab',
        ],
        [
          'alternatives are links',
          'test "$(readlink -f /usr/bin/editor)" = /usr/bin/nano || test "$(readlink -f /usr/bin/editor)" = /bin/nano',
        ],
        [
          'files are what was packed',
          `cd / && for each in ${INSTALLED}; do cat /var/lib/dpkg/info/$each[.:]*md5sums; done >sums
          md5sum --check --quiet --ignore-missing sums`,
        ],
        [
          'dpkg installs again',
          'dpkg --install /srv/workloads/packages/jq_*.deb /srv/workloads/packages/less_*.deb',
        ],
        [
          'a package of the image is removed',
          'dpkg --remove dpkg-dev && ! command -v dpkg-scanpackages',
        ],
        [
          'purge',
          `${APT} purge cron && test ! -e /usr/sbin/cron && test ! -e /var/lib/dpkg/info/cron.list`,
        ],
        ['autoremove', `${APT} autoremove`],
        [
          'install after purge',
          `${APT} install cron && test -x /usr/sbin/cron && test -z "$(dpkg --audit)"`,
        ],
        ['clean', 'apt-get clean'],
      ],
    }),
};
