import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { type Ganesha, startGanesha } from '../../support/ganesha.ts';
import { type LinkSettings, type Relay, startRelay } from '../../support/relay.ts';
import { askRowfs, type ReadyProxy, startRowfs, stateOf } from '../../support/rowfs.ts';
import { type BenchCase, type BenchRow, costRow, summarize } from '../bench-case.ts';
import type { ColdResult, ColdTask, ColdWork } from '../cold/client.ts';
import { LARGE_FILE, makeColdTree, WALKED } from '../cold/tree.ts';

const client = fileURLToPath(new URL('../cold/client.ts', import.meta.url));

const FAR = { roundTripMs: 68, bytesPerSecond: 12_500_000 } satisfies LinkSettings;
const FAR_AND_FAST = { roundTripMs: 68, bytesPerSecond: 125_000_000 } satisfies LinkSettings;
/** READs of 1 MiB that a client's read-ahead has under way: more than Linux has by default. */
const READ_AHEAD = 8;

/** Below the cache: one for each image that a proxy ran over. */
const PROFILES = 'boot-profiles';

interface SideResult extends ColdResult {
  /** Until the proxy served. */
  readonly startMs: number;
  /** What the proxy has learnt of what is needed: where that is kept. */
  readonly profiles: string | undefined;
}

interface Side {
  /** The work from empty caches, through a link of its own, but with these boot profiles. */
  perform(work: ColdWork, profiles?: string): Promise<SideResult>;
}

/**
 * A cold verified image over nfs-ganesha behind a long link, beside nfs-ganesha itself behind the same
 * link. Both are asked by the same client at user level, which walks and reads as the kernel's does
 * (../cold/client.ts): in a guest without acceleration, the guest would be what is measured.
 */
export const imageCold: BenchCase = {
  name: 'image-cold',
  description: 'a cold image over a long link, beside NFS over the same link',
  async run({ short, log }) {
    const directory = await mkdtemp(join(tmpdir(), 'rowfs-bench-'));
    const closing: (() => Promise<unknown>)[] = [
      () => rm(directory, { recursive: true, force: true }),
    ];
    try {
      const tree = join(directory, 'tree');
      await mkdir(tree);
      const size = {
        directories: short ? 20 : 800,
        filesPerDirectory: 25,
        files: short ? 60 : 500,
        largeBytes: (short ? 32 : 1024) * 2 ** 20,
      };
      const { files, fileBytes } = await makeColdTree(tree, size);
      const owner = { directory, owner: 'publisher', timeoutMs: 300_000 };
      const { digest } = await askRowfs<{ digest: string }>(['image', 'build', tree], owner);
      const ganesha = await startGanesha({
        exports: [{ path: tree, access: 'read-only' }],
        directory,
      });
      closing.unshift(() => ganesha.close());
      const sidesOf = (link: LinkSettings): { ours: Side; peer: Side } => ({
        ours: proxySide({ directory, ganesha, tree, digest, link }),
        peer: nfsSide(ganesha, tree, link),
      });

      const rows: BenchRow[] = [];
      const add = (name: string, ours: number, peer: number, ceiling?: number): void => {
        const row = costRow(name, 'ms', { ours, peer }, ceiling);
        rows.push(row);
        log(
          `${name.padEnd(74)} ${row.ratio.toFixed(4)}x (${ours.toFixed(0)} / ${peer.toFixed(0)})`,
        );
      };
      const rounds = short ? 1 : 3;
      const far = sidesOf(FAR);

      const walk: ColdWork = { kind: 'walk', directory: WALKED };
      const cats: ColdWork = { kind: 'files', paths: files };
      // Each waits for its own link nearly all of the time, and does not disturb the other.
      const [walkedBefore, readBefore] = await Promise.all([
        far.peer.perform(walk),
        far.peer.perform(cats),
      ]);
      const walked = await repeated(rounds, () => far.ours.perform(walk));
      assert.equal(walked.entries, walkedBefore.entries);
      const count = size.directories * size.filesPerDirectory;
      add(`walk of ${count} files, 68 ms`, walked.ms, walkedBefore.ms, 1 / 200);
      const begun = walked.startMs + walked.ms;
      add('the same, with the start of the proxy', begun, walkedBefore.ms);

      const read = await far.ours.perform(cats);
      assert.equal(read.bytes, fileBytes);
      assert.equal(readBefore.bytes, fileBytes);
      const reading = `${files.length} files in random order, 68 ms, 100 Mbit/s`;
      add(reading, read.ms, readBefore.ms, 1 / 5);
      const foreseen = await repeated(rounds, () => far.ours.perform(cats, read.profiles));
      assert.equal(foreseen.bytes, fileBytes);
      const onLinkMs = fileBytes / (FAR.bytesPerSecond / 1000);
      add('the same with a boot profile, beside the time of the link', foreseen.ms, onLinkMs, 1.3);
      add('the same with a boot profile, beside NFS', foreseen.ms, readBefore.ms);

      const fast = sidesOf(FAR_AND_FAST);
      const { largeBytes } = size;
      const dd: ColdWork = {
        kind: 'sequential',
        path: LARGE_FILE,
        bytes: largeBytes,
        inFlight: READ_AHEAD,
      };
      const inOrder = await repeated(rounds, () => fast.ours.perform(dd));
      const inOrderBefore = await fast.peer.perform(dd);
      assert.equal(inOrder.bytes, largeBytes);
      const linkMs = largeBytes / (FAR_AND_FAST.bytesPerSecond / 1000);
      const large = `${largeBytes / 2 ** 20} MiB in order, 68 ms, 1 Gbit/s`;
      add(`${large}, beside the time of the link`, inOrder.ms, linkMs, 1 / 0.8);
      add(`${large}, beside NFS with 8 MiB of read-ahead`, inOrder.ms, inOrderBefore.ms);
      return summarize('image-cold', rows);
    } finally {
      for (const close of closing) await close();
    }
  },
};

/** The round whose time is the median: what this machine did besides is not to decide. */
async function repeated(rounds: number, perform: () => Promise<SideResult>): Promise<SideResult> {
  const results: SideResult[] = [];
  for (let round = 0; round < rounds; round += 1) results.push(await perform());
  const [middle] = results.sort((a, b) => a.ms - b.ms).slice((rounds - 1) / 2);
  if (middle === undefined) throw new Error('no round was done');
  return middle;
}

async function perform(task: ColdTask): Promise<ColdResult> {
  const { stdout } = await execa(process.execPath, [client, JSON.stringify(task)]);
  return JSON.parse(stdout) as ColdResult;
}

function nfsSide({ nfsPort, mountPort }: Ganesha, tree: string, link: LinkSettings): Side {
  return {
    perform: (work) =>
      through([nfsPort, mountPort], link, async (port, relayedMountPort) => {
        const server = { host: '127.0.0.1', port, mountPort: relayedMountPort, path: tree };
        return { ...(await perform({ ...server, work })), startMs: 0, profiles: undefined };
      }),
  };
}

let proxies = 0;

function proxySide({
  directory,
  ganesha: { nfsPort, mountPort },
  tree,
  digest,
  link,
}: {
  readonly directory: string;
  readonly ganesha: Ganesha;
  readonly tree: string;
  readonly digest: string;
  readonly link: LinkSettings;
}): Side {
  return {
    perform: (work, profiles) =>
      through([nfsPort, mountPort], link, async (port, relayedMountPort) => {
        // Another machine each time: nothing is in its cache.
        const owner = `cold-${(proxies += 1)}`;
        const ownProfiles = join(stateOf({ directory, owner }), 'cache', PROFILES);
        if (profiles !== undefined) await cp(profiles, ownProfiles, { recursive: true });
        const begin = performance.now();
        const proxy = await startRowfs<ReadyProxy>(
          [
            ...['proxy', '--server', `127.0.0.1:${port},${relayedMountPort}:${tree}`],
            ...['--digest', digest, '--listen', '127.0.0.1:0', '--rest', '127.0.0.1:0'],
          ],
          { directory, owner },
        );
        try {
          const startMs = performance.now() - begin;
          const result = await perform({ ...proxy.ready, path: '/', work });
          return { ...result, startMs, profiles: ownProfiles };
        } finally {
          await proxy.stop();
        }
      }),
  };
}

/** With a link of its own to these ports: nothing of an earlier work is on its way there. */
async function through<T>(
  targetPorts: readonly number[],
  link: LinkSettings,
  use: (port: number, mountPort: number) => Promise<T>,
): Promise<T> {
  const relay: Relay = await startRelay({ targetPorts, ...link });
  try {
    const [port = 0, mountPort = 0] = relay.ports;
    return await use(port, mountPort);
  } finally {
    await relay.close();
  }
}
