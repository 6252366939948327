import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { type DebianSource, debianSources } from '../../support/debian-sources.ts';
import { startGanesha } from '../../support/ganesha.ts';
import { type Relay, startRelay } from '../../support/relay.ts';
import { requires } from '../../support/requirements.ts';
import { askRowfs, type ReadyProxy, startRowfs } from '../../support/rowfs.ts';
import { ServedFiles } from '../../support/served-files.ts';
import { type BenchCase, type BenchRow, costRow, summarize } from '../bench-case.ts';

/** Of a small server: a tenth of its packages have updates, some years after a release. */
const PACKAGES = [
  ...['systemd-sysv', 'dbus', 'openssh-server', 'python3', 'perl', 'locales', 'curl'],
  ...['ca-certificates', 'iproute2', 'vim-tiny', 'less'],
] as const;

/** What of `rowfs image diff` counts here. */
interface Diff {
  readonly changedBytes: number;
  readonly newBlocks: { readonly count: number; readonly bytes: number };
}
interface Built {
  readonly manifest: string;
  readonly digest: string;
}
interface Version extends Built {
  readonly tree: string;
}

/**
 * A machine that has read all of a Debian root file system, and then all of the same with its security
 * updates: what crosses the link for the second, beside NFS, and beside rsync, which has all of the first and
 * finds in each file what is unchanged, wherever it has moved to.
 */
export const imageUpgrade: BenchCase = {
  name: 'image-upgrade',
  description: 'the next version of an image, beside rsync and beside NFS over the same link',
  async run({ short, log }) {
    const lacking = requires('ganesha', 'debian-tree', 'rsync');
    if (lacking !== false) throw new Error(lacking);
    const directory = await mkdtemp(join(tmpdir(), 'rowfs-bench-'));
    const closing: (() => Promise<unknown>)[] = [
      () => rm(directory, { recursive: true, force: true }),
    ];
    try {
      const sources = await debianSources();
      const released = sources.filter(({ release }) => !release.includes('-'));
      const make = async (name: string, from: readonly DebianSource[]): Promise<Version> => {
        const tree = join(directory, name);
        log(`making ${name}, with mmdebstrap`);
        await makeDebian(tree, from, short ? [] : PACKAGES);
        const owner = { directory, owner: 'publisher', timeoutMs: 300_000 };
        return { ...(await askRowfs<Built>(['image', 'build', tree], owner)), tree };
      };
      const before = await make('released', released);
      const after = await make('updated', sources);
      const diff = await askRowfs<Diff>(['image', 'diff', before.manifest, after.manifest], {
        directory,
        owner: 'publisher',
      });
      const ganesha = await startGanesha({
        exports: [before, after].map(({ tree }) => ({ path: tree, access: 'read-only' })),
        directory,
      });
      closing.unshift(() => ganesha.close());
      const relay = await startRelay({ targetPorts: [ganesha.nfsPort, ganesha.mountPort] });
      closing.unshift(() => relay.close());
      const [port = 0, mountPort = 0] = relay.ports;

      const overNfs = async ({ tree }: Version): Promise<number> => {
        const native = { host: '127.0.0.1', port, mountPort };
        return crossing(relay, () => readAll(native, tree, tree));
      };
      let fetched = 0;
      const throughProxy = async ({ tree, digest }: Version): Promise<number> =>
        crossing(relay, async () => {
          const proxy = await startRowfs<ReadyProxy>(
            [
              ...['proxy', '--server', `127.0.0.1:${port},${mountPort}:${tree}`],
              ...['--digest', digest, '--listen', '127.0.0.1:0', '--rest', '127.0.0.1:0'],
            ],
            { directory, owner: 'machine' },
          );
          await readAll(proxy.ready, '/', tree);
          fetched = await fetchedBytes(proxy.ready);
          await proxy.stop();
        });

      const rows: BenchRow[] = [];
      const add = (name: string, ours: number, peer: number, ceiling?: number): void => {
        const row = costRow(name, 'KB', { ours: ours / 1000, peer: peer / 1000 }, ceiling);
        rows.push(row);
        log(`${name.padEnd(64)} ${row.ratio.toFixed(3)}x (${row.ours.toFixed(0)} KB)`);
      };
      add(
        'the first version, over the link, beside NFS',
        await throughProxy(before),
        await overNfs(before),
      );
      const ours = await throughProxy(after);
      const { changedBytes, newBlocks } = diff;
      add(
        'blocks fetched for the second, beside those that are new in it',
        fetched,
        newBlocks.bytes,
        1,
      );
      add('the same, beside the blocks of its changed files that differ', fetched, changedBytes);
      add('all for the second, over the link, beside NFS', ours, await overNfs(after));
      add('the same, beside rsync', ours, await rsync(before.tree, after.tree));
      return summarize('image-upgrade', rows);
    } finally {
      for (const close of closing) await close();
    }
  },
};

async function makeDebian(
  root: string,
  sources: readonly DebianSource[],
  packages: readonly string[],
): Promise<void> {
  const include = packages.length === 0 ? [] : [`--include=${packages.join(',')}`];
  await execa(
    'mmdebstrap',
    [
      ...['--quiet', '--mode=root', '--variant=minbase', '--format=directory', ...include],
      ...['--aptopt=APT::Install-Recommends "false"', '', root, '-'],
    ],
    {
      input: sources
        .map(({ uri, release, component }) => `deb ${uri} ${release} ${component}\n`)
        .join(''),
    },
  );
}

/** Every byte of every file, which are those of `tree`. */
async function readAll(
  server: { readonly host: string; readonly port: number; readonly mountPort: number },
  path: string,
  tree: string,
): Promise<void> {
  const files = await ServedFiles.mount(server, path);
  assert.deepEqual(await files.differences(tree), []);
  await files.close();
}

async function fetchedBytes({ rest }: ReadyProxy): Promise<number> {
  const answer = await fetch(`${rest}/v1/sessions`);
  const { sessions } = (await answer.json()) as {
    sessions: { image: { reads: { fetchedBytes: number } } }[];
  };
  return sessions[0]?.image.reads.fetchedBytes ?? 0;
}

/** How many bytes cross the link, in both directions, meanwhile. */
async function crossing({ bytes }: Relay, during: () => Promise<void>): Promise<number> {
  const before = bytes.toClient + bytes.toServer;
  await during();
  return bytes.toClient + bytes.toServer - before;
}

/** What rsync sends and receives to make the one tree the other. */
async function rsync(before: string, after: string): Promise<number> {
  const { stdout } = await execa(
    'rsync',
    [
      ...['-aHX', '--numeric-ids', '--delete', '--no-whole-file', '--stats', '--no-human-readable'],
      ...['--exclude=/.rowfs', `${after}/`, `${before}/`],
    ],
    { env: { LC_ALL: 'C' } },
  );
  const total = (what: string): number =>
    Number(new RegExp(`^Total bytes ${what}: (\\d+)$`, 'm').exec(stdout)?.[1]);
  const bytes = total('sent') + total('received');
  if (Number.isNaN(bytes)) throw new Error(`rsync does not say what it sent: ${stdout}`);
  return bytes;
}
