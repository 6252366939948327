import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { startGanesha } from '../../support/ganesha.ts';
import { type BenchCase, type BenchRow, compareRounds, summarize } from '../bench-case.ts';
import {
  LARGE_FILE,
  LARGE_FILE_BYTES,
  type LoadResult,
  type LoadTask,
  SMALL_FILES,
} from '../nfs-load.ts';
import { type ReadyProxy, startRowfs } from '../../support/rowfs.ts';

const load = fileURLToPath(new URL('../nfs-load.ts', import.meta.url));
const FILES = 500;

interface Measured {
  readonly name: string;
  readonly task: Pick<LoadTask, 'kind' | 'readBytes' | 'inFlight'>;
  /** Metadata must not be slower than the server itself; reads are shown. */
  readonly target?: number;
}

const operations = ['op/s', ({ calls }: LoadResult): number => calls] as const;
/** What counts, of what each kind of call does in a second. */
const measures = {
  getattr: operations,
  lookup: operations,
  access: operations,
  readdirplus: ['entries/s', ({ entries }: LoadResult): number => entries],
  read: ['MB/s', ({ bytes }: LoadResult): number => bytes / 1e6],
} as const;

const measured: readonly Measured[] = [
  {
    name: 'GETATTR, 32 in flight',
    task: { kind: 'getattr', readBytes: 0, inFlight: 32 },
    target: 1,
  },
  { name: 'LOOKUP, 32 in flight', task: { kind: 'lookup', readBytes: 0, inFlight: 32 }, target: 1 },
  { name: 'ACCESS, 32 in flight', task: { kind: 'access', readBytes: 0, inFlight: 32 }, target: 1 },
  {
    name: 'READDIRPLUS, 8 in flight',
    task: { kind: 'readdirplus', readBytes: 0, inFlight: 8 },
    target: 1,
  },
  { name: 'READ 4K, 32 in flight', task: { kind: 'read', readBytes: 4096, inFlight: 32 } },
  { name: 'READ 32K, 8 in flight', task: { kind: 'read', readBytes: 32_768, inFlight: 8 } },
  { name: 'READ 128K, 4 in flight', task: { kind: 'read', readBytes: 131_072, inFlight: 4 } },
  { name: 'READ 1M, 1 in flight', task: { kind: 'read', readBytes: 1_048_576, inFlight: 1 } },
];

/** The proxy in front of nfs-ganesha beside nfs-ganesha itself, everything warm, on loopback. */
export const proxyWarm: BenchCase = {
  name: 'proxy-warm',
  description:
    'warm metadata and READs through the proxy, beside nfs-ganesha serving the same tree',
  async run({ short, log }) {
    const directory = await mkdtemp(join(tmpdir(), 'rowfs-bench-'));
    const tree = join(directory, 'tree');
    await makeTree(tree);
    const ganesha = await startGanesha({
      exports: [{ path: tree, access: 'read-only' }],
      directory,
    });
    try {
      const server = `${ganesha.host}:${ganesha.nfsPort},${ganesha.mountPort}:${tree}`;
      const proxy = await startRowfs<ReadyProxy>(
        ['proxy', '--server', server, '--listen', '127.0.0.1:0', '--rest', '127.0.0.1:0'],
        { directory, owner: 'proxy' },
      );
      try {
        const ours = { ...proxy.ready, path: '/' };
        const { host, nfsPort, mountPort } = ganesha;
        const peer = { host, port: nfsPort, mountPort, path: tree };
        const rows: BenchRow[] = [];
        for (const each of measured) {
          const row = await compare(each, ours, peer, short);
          rows.push(row);
          log(`${row.name.padEnd(26)} ${row.ratio.toFixed(2)}x of ganesha direct`);
        }
        return summarize('proxy-warm', rows);
      } finally {
        await proxy.stop();
      }
    } finally {
      await ganesha.close();
      await rm(directory, { recursive: true, force: true });
    }
  },
};

type Target = Pick<LoadTask, 'host' | 'port' | 'mountPort' | 'path'>;

async function compare(
  { name, task, target }: Measured,
  ours: Target,
  peer: Target,
  short: boolean,
): Promise<BenchRow> {
  const seconds = short ? 0.3 : 1.5;
  const rounds: { ours: number; peer: number }[] = [];
  const [unit, amountOf] = measures[task.kind];
  const one = async (where: Target): Promise<number> => {
    const { host, port, mountPort, path } = where;
    const argument: LoadTask = { host, port, mountPort, path, ...task, seconds };
    const { stdout } = await execa(process.execPath, [load, JSON.stringify(argument)]);
    const result = JSON.parse(stdout) as LoadResult;
    return amountOf(result);
  };
  for (let round = 0; round < (short ? 1 : 5); round += 1) {
    // Who goes first changes, so that neither always finds the warmer machine.
    const first = round % 2 === 0 ? ours : peer;
    const a = await one(first);
    const b = await one(first === ours ? peer : ours);
    rounds.push(first === ours ? { ours: a, peer: b } : { ours: b, peer: a });
  }
  return compareRounds(name, unit, rounds, target);
}

async function makeTree(tree: string): Promise<void> {
  await mkdir(join(tree, SMALL_FILES), { recursive: true });
  for (let i = 0; i < FILES; i += 1) {
    await writeFile(
      join(tree, SMALL_FILES, `file-${String(i).padStart(4, '0')}`),
      randomBytes(1024),
    );
  }
  await writeFile(join(tree, LARGE_FILE), randomBytes(LARGE_FILE_BYTES));
}
