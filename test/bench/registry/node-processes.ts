import { readFile } from 'node:fs/promises';
import { type RowfsDaemon, startRowfs } from '../../support/rowfs.ts';

/** What `rowfs node --json` says when it is ready. */
interface ReadyNode {
  readonly peerId: string;
  readonly addresses: readonly string[];
}
export type NodeProcess = RowfsDaemon<ReadyNode>;

/** So many start at a time: a machine with few cores starts them hardly faster at once. */
const AT_A_TIME = 4;

/** Starts `count` registry nodes on loopback, each a process of its own; all join through the first. */
export async function startNodes(count: number, directory: string): Promise<NodeProcess[]> {
  const listen = ['--listen', '/ip4/127.0.0.1/tcp/0', '--rest', '127.0.0.1:0'];
  const start = (i: number, how: readonly string[], registry: readonly string[]) =>
    startRowfs<ReadyNode>(['node', ...listen, ...how], { directory, owner: `node${i}`, registry });
  const first = await start(0, ['--alone'], []);
  const nodes = [first];
  while (nodes.length < count) {
    const next = Array.from(
      { length: Math.min(AT_A_TIME, count - nodes.length) },
      (_, i) => nodes.length + i,
    );
    nodes.push(...(await Promise.all(next.map((i) => start(i, [], first.ready.addresses)))));
  }
  return nodes;
}

/** sysconf(_SC_CLK_TCK), which is 100 on Linux wherever Node runs. */
const TICKS_PER_SECOND = 100;

/** The processor time a process has used so far, in seconds (proc(5), /proc/pid/stat: utime, stime). */
export async function processorSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The second field is a name that may have anything in it, in parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
