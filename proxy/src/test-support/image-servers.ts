import { fork } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  connectNfs3,
  createLocalDirectory,
  listenNfs3,
  type Nfs3Context,
  type Nfs3Layer,
  nullLayer,
} from '@rowfs/nfs3';
import type { OpenServer } from '../failover/replica.ts';
import type { ImageServer } from '../locator.ts';
import type { ProxyAddress } from '../proxy-status.ts';
import type { ProxyProcessOptions } from './proxy-process.ts';

/** A server over loopback TCP that exports a copy of a directory. */
export interface TestServer extends ImageServer {
  readonly port: number;
  /** Ends the server and all its connections at once; it can be started again on the same port. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** Temporary directories and servers of one test, ended together. */
export class TestBench {
  readonly #cleanups: (() => Promise<unknown>)[] = [];

  /** `close` is run at the end, the last one first. */
  onClose(close: () => Promise<unknown>): void {
    this.#cleanups.unshift(close);
  }

  async close(): Promise<void> {
    for (const cleanup of this.#cleanups) await cleanup();
  }

  async directory(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), 'rowfs-proxy-'));
    this.onClose(() => rm(path, { recursive: true, force: true }));
    return path;
  }

  /** Serves a directory as it is, but for what a layer does to it. */
  async serve(source: string, exportPath = '/', layer: Nfs3Layer = nullLayer): Promise<TestServer> {
    let running: (() => Promise<void>) | undefined;
    const start = async (port: number): Promise<number> => {
      const service = await createLocalDirectory({ root: source, access: 'read-only' });
      const listener = await listenNfs3({ service: layer(service), port, exports: [exportPath] });
      running = async () => {
        running = undefined;
        await listener.close();
        await service.close();
      };
      return listener.port;
    };
    const port = await start(0);
    this.onClose(async () => running?.());
    return {
      host: '127.0.0.1',
      port,
      export: exportPath,
      stop: async () => running?.(),
      start: async () => {
        await start(port);
      },
    };
  }

  async copyOf(source: string): Promise<string> {
    const copy = await this.directory();
    await cp(source, copy, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
    return copy;
  }

  /** A proxy in a process of its own, to be killed by kill -9. */
  async proxyProcess(options: ProxyProcessOptions): Promise<{
    readonly address: ProxyAddress;
    kill(): Promise<void>;
  }> {
    const script = join(import.meta.dirname, 'proxy-process.ts');
    const child = fork(script, [JSON.stringify(options)], { stdio: 'inherit' });
    const exited = once(child, 'exit');
    const kill = async (): Promise<void> => {
      child.kill('SIGKILL');
      await exited;
    };
    this.onClose(kill);
    const [address] = (await once(child, 'message')) as [ProxyAddress];
    return { address, kill };
  }

  /** Takes connections and bytes, and never says anything. */
  async hungServer(): Promise<ImageServer> {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.resume();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.onClose(async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    });
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening on TCP');
    return { host: '127.0.0.1', port: address.port, export: '/' };
  }
}

export const openTestServer: OpenServer = ({ host, port = 0 }) =>
  connectNfs3({ host, port, maxFailedConnections: 1 });

export const testContext: Nfs3Context = {
  credential: { flavor: 'sys', stamp: 0, machinename: 'test', uid: 0, gid: 0, gids: [] },
  signal: new AbortController().signal,
  peer: { address: '127.0.0.1', port: 0 },
};
