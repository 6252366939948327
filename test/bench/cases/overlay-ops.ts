import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startGanesha, type Ganesha } from '../../support/ganesha.ts';
import { startProcess } from '../../support/process.ts';
import { type ReadyProxy, startRowfs, stateOf } from '../../support/rowfs.ts';
import { type BenchCase, type BenchRow, compareRounds, costRow, summarize } from '../bench-case.ts';
import type { ListeningAt, PassThroughTask } from '../overlay/pass-through.ts';
import { nfsSide, overlayfsSide, type Side } from '../overlay/sides.ts';
import {
  copyForWriting,
  diskBytes,
  DURABLE_WORK,
  IMAGE_FILE,
  makeImage,
  SMALL_FILES,
  type TreeSize,
} from '../overlay/trees.ts';
import { BLOCK_BYTES, type Work } from '../overlay/work.ts';

const MIB = 2 ** 20;
/** Every so manieth file of the image is changed before the merged tree is walked. */
const CHANGED_EVERY = 5;
/** A READ through the layer may cost 15 % more than one that goes past it. */
const PASS_THROUGH_RATIO = 1 / 1.15;
const AMPLIFICATION = 1.1;
/** How V8 collects in a proxy; `rowfs proxy` gives itself these (cli/src/small-heap.ts). */
const PROXY_V8_FLAGS = [
  '--max-semi-space-size=4',
  '--heap-growing-percent=30',
  '--no-incremental-marking',
];

interface Scale {
  readonly rounds: number;
  readonly files: number;
  readonly stableWrites: number;
  readonly sequentialBytes: number;
  readonly rewrites: number;
  readonly readBytes: number;
  readonly tree: TreeSize;
}

const FULL: Scale = {
  rounds: 5,
  files: 10_000,
  stableWrites: 2_000,
  sequentialBytes: 1024 * MIB,
  rewrites: 8_192,
  readBytes: 1024 * MIB,
  tree: { directories: 1_000, filesPerDirectory: 100, imageFileBytes: 1024 * MIB },
};

const SHORT: Scale = {
  rounds: 3,
  files: 1_000,
  stableWrites: 300,
  sequentialBytes: 128 * MIB,
  rewrites: 2_048,
  readBytes: 128 * MIB,
  tree: { directories: 100, filesPerDirectory: 100, imageFileBytes: 128 * MIB },
};

/** Everything that is measured, running. */
interface Sides {
  readonly proxy: Side & { readonly shadow: string };
  readonly direct: Side;
  /** The same server, in a directory where it loses no change of a name that it has answered. */
  readonly directDurable: Side;
  readonly overlayfs: Side;
  readonly passThrough: Side;
  readonly beneath: Side;
}

/** One kind of work, and which of its phases make rows. */
interface Measured {
  readonly work: (side: Side, round: number) => Work;
  readonly beside: readonly (keyof Sides)[];
  readonly phases: Readonly<Record<string, string>>;
  readonly unit: string;
  /** What one of the unit is, of what the phase counts. */
  readonly per?: number;
  /** Beside the first of `beside`. */
  readonly target?: number;
}

/** The proxy beside a read-write nfs-ganesha and beside the kernel's overlayfs. */
export const overlayOps: BenchCase = {
  name: 'overlay-ops',
  description:
    'changes through the proxy, beside nfs-ganesha read-write direct and overlayfs on local disk',
  async run({ short, log }) {
    const scale = short ? SHORT : FULL;
    const directory = await mkdtemp(join(tmpdir(), 'rowfs-bench-'));
    const closing: (() => Promise<unknown>)[] = [
      () => rm(directory, { recursive: true, force: true }),
    ];
    try {
      const sides = await start(directory, scale.tree, (close) => closing.unshift(close));
      const rows: BenchRow[] = [];
      const add = (...more: readonly BenchRow[]): void => {
        rows.push(...more);
        for (const row of more) log(`${row.name.padEnd(60)} ${row.ratio.toFixed(2)}x`);
      };
      // First of all, for blocks that are here already take nothing more.
      add(await amplification(sides.proxy, scale));
      for (const each of measured(scale)) add(...(await compare(each, sides, scale.rounds)));
      add(...(await walks(sides, scale)));
      return summarize('overlay-ops', rows);
    } finally {
      for (const close of closing) await close();
    }
  },
};

function measured(scale: Scale): Measured[] {
  const files = (inFlight: number): Measured => ({
    work: ({ parent }) => ({ kind: 'files', parent, count: scale.files, inFlight }),
    beside: inFlight === 1 ? ['direct', 'directDurable', 'overlayfs'] : ['direct', 'directDurable'],
    phases: {
      create: `CREATE, ${inFlight} in flight`,
      stat: `LOOKUP of what was created, ${inFlight} in flight`,
      unlink: `REMOVE, ${inFlight} in flight`,
    },
    unit: 'op/s',
    target: 1,
  });
  const stableWrites = (how: 'file-sync' | 'commit', inFlight: number): Measured => ({
    work: ({ parent }) => ({
      kind: 'stable-writes',
      parent,
      count: scale.stableWrites,
      inFlight,
      how,
    }),
    beside: inFlight === 1 ? ['direct', 'overlayfs'] : ['direct'],
    phases: {
      write: `4 KiB ${how === 'commit' ? 'UNSTABLE + COMMIT' : 'FILE_SYNC'}, ${inFlight} files at a time`,
    },
    unit: 'op/s',
    target: 1,
  });
  const sequential = (pieceBytes: number, inFlight: number): Measured => ({
    work: ({ parent }) => ({
      kind: 'sequential-write',
      parent,
      bytes: scale.sequentialBytes,
      pieceBytes,
      inFlight,
    }),
    beside: ['direct', 'overlayfs'],
    phases: { write: `sequential write, ${pieceBytes / 1024} KiB, ${inFlight} in flight` },
    unit: 'MB/s',
    per: 1e6,
  });
  const read = (pieceBytes: number, inFlight: number): Measured => ({
    work: () => ({
      kind: 'read',
      file: IMAGE_FILE,
      bytes: scale.readBytes,
      pieceBytes,
      inFlight,
    }),
    beside: ['beneath'],
    phases: { read: `pass-through READ, ${pieceBytes / 1024} KiB, ${inFlight} in flight` },
    unit: 'MB/s',
    per: 1e6,
    target: PASS_THROUGH_RATIO,
  });
  return [
    files(1),
    files(32),
    stableWrites('file-sync', 1),
    stableWrites('file-sync', 8),
    stableWrites('commit', 1),
    stableWrites('commit', 8),
    sequential(128 * 1024, 8),
    sequential(MIB, 2),
    {
      work: (_, round) => ({
        kind: 'rewrite',
        file: IMAGE_FILE,
        fileBytes: scale.tree.imageFileBytes,
        count: scale.rewrites,
        inFlight: 8,
        seed: round + 1,
      }),
      beside: ['direct', 'overlayfs'],
      phases: { write: 'rewrite of 4 KiB blocks in a large file of the image, one COMMIT' },
      unit: 'op/s',
    },
    read(4096, 32),
    read(128 * 1024, 4),
    read(MIB, 1),
  ];
}

/** The rounds of one kind of work: each side in turn, and another one first each time. */
async function compare(
  { work, beside, phases, unit, per = 1, target }: Measured,
  sides: Sides,
  rounds: number,
): Promise<BenchRow[]> {
  const ours = beside[0] === 'beneath' ? sides.passThrough : sides.proxy;
  const all = [ours, ...beside.map((name) => sides[name])];
  const speeds: Map<Side, Record<string, number>>[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const speed = new Map<Side, Record<string, number>>();
    for (let turn = 0; turn < all.length; turn += 1) {
      const side = all[(round + turn) % all.length] ?? ours;
      const done = await side.perform(work(side, round));
      const perSecond = Object.entries(done).map(
        ([phase, { amount, seconds }]): [string, number] => [phase, amount / per / seconds],
      );
      speed.set(side, Object.fromEntries(perSecond));
    }
    speeds.push(speed);
  }
  return Object.entries(phases).flatMap(([phase, name]) =>
    beside.map((peer, index) => {
      const pairs = speeds.map((speed) => ({
        ours: speed.get(ours)?.[phase] ?? NaN,
        peer: speed.get(sides[peer])?.[phase] ?? NaN,
      }));
      return compareRounds(
        `${name}, beside ${sides[peer].name}`,
        unit,
        pairs,
        index === 0 ? target : undefined,
      );
    }),
  );
}

/** What blocks of the image's large file that are written for the first time take of the disk. */
async function amplification(proxy: Sides['proxy'], scale: Scale): Promise<BenchRow> {
  const before = await diskBytes(proxy.shadow);
  await proxy.perform({
    kind: 'rewrite',
    file: IMAGE_FILE,
    fileBytes: scale.tree.imageFileBytes,
    count: scale.rewrites,
    inFlight: 8,
    seed: 0,
  });
  const ours = (await diskBytes(proxy.shadow)) - before;
  const bytes = { ours: ours / 1e6, peer: (scale.rewrites * BLOCK_BYTES) / 1e6 };
  const name = 'disk taken by rewritten blocks, beside the bytes that were written';
  return costRow(name, 'MB', bytes, AMPLIFICATION);
}

/** `ls -lR` of the tree with every fifth file changed. */
async function walks(sides: Sides, scale: Scale): Promise<BenchRow[]> {
  const change: Work = {
    kind: 'change-files',
    directory: SMALL_FILES,
    every: CHANGED_EVERY,
    inFlight: 8,
  };
  for (const side of [sides.proxy, sides.direct, sides.overlayfs]) await side.perform(change);
  const walk: Measured = {
    work: () => ({ kind: 'walk', directory: SMALL_FILES }),
    beside: ['direct', 'overlayfs'],
    phases: { walk: '`ls -lR` of the merged tree' },
    unit: 'names/s',
    target: 1,
  };
  return compare(walk, sides, scale.rounds);
}

async function start(
  directory: string,
  size: TreeSize,
  onClose: (close: () => Promise<unknown>) => void,
): Promise<Sides> {
  const [image, copy] = [join(directory, 'image'), join(directory, 'copy')];
  await makeImage(image, size);
  await copyForWriting(image, copy);
  const below = await startGanesha({
    name: 'below',
    directory,
    exports: [{ path: image, access: 'read-only' }],
  });
  onClose(() => below.close());
  const direct = await startGanesha({
    name: 'direct',
    directory,
    exports: [{ path: copy, access: 'read-write' }],
  });
  onClose(() => direct.close());
  const server = `${below.host}:${below.nfsPort},${below.mountPort}:${image}`;
  const options = { directory, owner: 'proxy' };
  const proxy = await startRowfs<ReadyProxy>(
    ['proxy', '--server', server, '--listen', '127.0.0.1:0', '--rest', '127.0.0.1:0'],
    options,
  );
  onClose(() => proxy.stop());
  const passing = async (redirect: boolean): Promise<Side> => {
    const name = redirect ? 'redirecting' : 'the stack without redirect-on-write';
    const at = await startPassThrough(directory, below, image, redirect, onClose);
    return nfsSide(name, { ...at, path: '/' });
  };
  const directAt = { ...addressOf(direct), path: copy };
  return {
    proxy: {
      ...nfsSide('the proxy', { ...proxy.ready, path: '/' }),
      shadow: stateOf(options),
    },
    direct: nfsSide('ganesha direct', directAt),
    directDurable: nfsSide('ganesha direct on chattr +D', directAt, DURABLE_WORK),
    overlayfs: await overlayfsSide(image, directory),
    passThrough: await passing(true),
    beneath: await passing(false),
  };
}

async function startPassThrough(
  directory: string,
  below: Ganesha,
  image: string,
  redirect: boolean,
  onClose: (close: () => Promise<unknown>) => void,
): Promise<ListeningAt> {
  const name = redirect ? 'redirecting' : 'beneath';
  const task: PassThroughTask = {
    server: { ...addressOf(below), export: image },
    directory: join(directory, name),
    redirect,
  };
  const program = fileURLToPath(new URL('../overlay/pass-through.ts', import.meta.url));
  const logFile = join(directory, `${name}.log`);
  const child = await startProcess(
    process.execPath,
    [...PROXY_V8_FLAGS, program, JSON.stringify(task)],
    { name, logFile },
  );
  onClose(() => child.kill('SIGTERM'));
  const [line] = await child.waitForLine(/^\{.*\}$/m);
  return JSON.parse(line) as ListeningAt;
}

function addressOf({
  host,
  nfsPort,
  mountPort,
}: Ganesha): Omit<PassThroughTask['server'], 'export'> {
  return { host, port: nfsPort, mountPort };
}
