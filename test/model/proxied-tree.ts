import { cpSync, readdirSync, rmSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  connectNfs3,
  type Filehandle,
  Mountstat3,
  type Nfs3Context,
  type RemoteNfs3Service,
} from '@rowfs/nfs3';
import {
  createProxy,
  type Proxy,
  type ProxyOptions,
  type SpaceLimits,
  staticLocator,
} from '@rowfs/proxy';
import { type Caller, ROOT } from './callers.ts';
import { LossyLink } from './lossy-link.ts';

/** Servers are asked again at once: a sequence has no time to lose. */
const PROBE_MS = { first: 2, last: 20 };

/**
 * The whole stack as a client meets it: a client over TCP, a connection that can be lost, a proxy
 * that can be restarted or killed, another such connection, and an image server.
 */
export class ProxiedTree {
  readonly client: RemoteNfs3Service;
  readonly root: Filehandle;
  readonly link: LossyLink;
  readonly lowerLink: LossyLink;
  readonly #options: Omit<ProxyOptions, 'stateDirectory'>;
  #proxy: Proxy;
  #stateDirectory: string;
  #starts = 0;

  static async open(
    imagePort: number,
    directory: string,
    space: SpaceLimits,
  ): Promise<ProxiedTree> {
    const lowerLink = await LossyLink.open(imagePort);
    const stateDirectory = join(directory, 'state-0');
    const options = proxyOptions(lowerLink.port, space);
    const proxy = await createProxy({ ...options, stateDirectory });
    const link = await LossyLink.open(proxy.address.port);
    const client = connectNfs3({ host: '127.0.0.1', port: link.port, timeoutMs: 600_000 });
    const mounted = await client.mount('/', contextOf(ROOT));
    if (mounted.status !== Mountstat3.OK) throw new Error('the proxied tree cannot be mounted');
    return new ProxiedTree(options, proxy, stateDirectory, client, mounted.handle, link, lowerLink);
  }

  private constructor(
    options: Omit<ProxyOptions, 'stateDirectory'>,
    proxy: Proxy,
    stateDirectory: string,
    client: RemoteNfs3Service,
    root: Filehandle,
    link: LossyLink,
    lowerLink: LossyLink,
  ) {
    this.#options = options;
    this.#proxy = proxy;
    this.#stateDirectory = stateDirectory;
    this.client = client;
    this.root = Buffer.from(root);
    this.link = link;
    this.lowerLink = lowerLink;
  }

  /** Ends the proxy cleanly and starts it again. */
  async restart(): Promise<void> {
    await this.#proxy.close();
    await this.#start();
  }

  /** What kill -9 leaves: the files as the operating system has them, nothing flushed. */
  async kill(): Promise<void> {
    this.#starts += 1;
    const before = this.#stateDirectory;
    this.#stateDirectory = `${before.slice(0, before.lastIndexOf('-'))}-${this.#starts}`;
    copyAtOnce(before, this.#stateDirectory);
    await this.#proxy.close();
    await rm(before, { recursive: true });
    await this.#start();
  }

  async close(): Promise<void> {
    await this.client.close();
    await this.#proxy.close();
    await this.link.close();
    await this.lowerLink.close();
  }

  async #start(): Promise<void> {
    this.#proxy = await createProxy({ ...this.#options, stateDirectory: this.#stateDirectory });
    this.link.targetPort = this.#proxy.address.port;
  }
}

/**
 * Copies the state of a proxy of this process as it is at one moment: meanwhile the proxy does nothing, and
 * what its threads may still do shows in lmdb's file.
 */
function copyAtOnce(from: string, to: string): void {
  for (;;) {
    const before = lmdbFiles(from);
    cpSync(from, to, {
      recursive: true,
      // The lock is of a process that is gone; what is being made anew counts only when it is whole.
      filter: (path) => !path.endsWith('/lock') && !path.endsWith('.new'),
    });
    if (lmdbFiles(from) === before) return;
    rmSync(to, { recursive: true });
  }
}

/** Sizes and times of change. */
function lmdbFiles(directory: string): string {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  return names
    .filter((name) => name.endsWith('/data.mdb'))
    .map((name) => {
      const { size, mtimeNs } = statSync(join(directory, name), { bigint: true });
      return `${name} ${size} ${mtimeNs}`;
    })
    .join();
}

function proxyOptions(port: number, space: SpaceLimits): Omit<ProxyOptions, 'stateDirectory'> {
  return {
    locator: staticLocator([{ host: '127.0.0.1', port, export: '/' }]),
    failover: { probeMs: PROBE_MS },
    space,
  };
}

export function contextOf({ uid, gid, gids }: Caller): Nfs3Context {
  return {
    credential: { flavor: 'sys', stamp: 0, machinename: 'model', uid, gid, gids },
    signal: new AbortController().signal,
    peer: { address: '127.0.0.1', port: 0 },
  };
}
