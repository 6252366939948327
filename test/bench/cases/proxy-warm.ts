import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startGanesha } from '../../support/ganesha.ts';
import { type BenchCase, type BenchRow, summarize } from '../bench-case.ts';
import { compareLoads, makeLoadTree, type Measured, SHORT_RUN } from '../load-rows.ts';
import { type ReadyProxy, startRowfs } from '../../support/rowfs.ts';

const load = fileURLToPath(new URL('../nfs-load.ts', import.meta.url));

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
    await makeLoadTree(tree);
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
          const length = short ? SHORT_RUN : { rounds: 5, seconds: 1.5 };
          const row = await compareLoads(load, each, ours, peer, length);
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
