import { runSteps } from '../steps.ts';
import type { RunOptions, Workload } from '../workload.ts';

/** Both kinds of journal: one that is deleted at each commit, and one with memory that processes share. */
const JOURNALS = ['delete', 'wal'] as const;

function inserts(count: number): string {
  return `i=0; while [ $i -lt ${count} ]; do
    echo "begin immediate; insert into item(writer, text) values ($1, hex(randomblob(200))); commit;"; i=$((i + 1)); done`;
}

function steps({ long }: RunOptions): readonly (readonly [string, string])[] {
  const count = long ? 500 : 50;
  return JOURNALS.flatMap((journal) => {
    const database = `${journal}.db`;
    const sqlite = `sqlite3 -bail -cmd '.timeout 600000' ${database}`;
    const intact = `test "$(${sqlite} 'pragma integrity_check')" = ok`;
    return [
      [
        `${journal}: create`,
        `test "$(${sqlite} 'pragma journal_mode=${journal}')" = ${journal} &&
        ${sqlite} 'create table item(id integer primary key, writer int, text); create index by_text on item(text)'`,
      ],
      [
        `${journal}: three processes write`,
        `insert() { ${inserts(count)} | ${sqlite} || echo failed >>failures; }
        insert 1 & insert 2 & insert 3 & wait; test ! -e failures`,
      ],
      [
        `${journal}: all is there`,
        `test "$(${sqlite} 'select count(*) from item')" = ${3 * count}`,
      ],
      [`${journal}: intact`, intact],
      [
        // With a cache this small it has written to the database before it is killed.
        `${journal}: killed in a transaction`,
        `mkfifo commands-${journal}; ${sqlite} <commands-${journal} & exec 3>commands-${journal}
        echo 'pragma cache_size = 5; begin; update item set text = hex(randomblob(300));' >&3
        echo '.shell touch begun-${journal}' >&3
        until test -e begun-${journal}; do sleep 0.1; done; kill -9 $!; wait
        ${intact} && test "$(${sqlite} 'select max(length(text)) from item')" = 400`,
      ],
      [
        `${journal}: much deleted, and vacuumed`,
        `${sqlite} 'delete from item where id % 3 = 0; vacuum' && ${intact}`,
      ],
      [
        `${journal}: dumped and read again`,
        `${sqlite} .dump | sqlite3 again-${database} && ${sqlite} .dump >one && sqlite3 again-${database} .dump >two && cmp one two`,
      ],
    ] as const;
  });
}

export const sqlite: Workload = {
  name: 'sqlite',
  description: 'a database written by three processes at once, killed, and its own integrity check',
  prepare: async () => undefined,
  run: (tree, options) =>
    runSteps(tree, { directory: '/srv/workloads/sqlite', steps: steps(options) }),
};
