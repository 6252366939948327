/**
 * An unmodified nfs-ganesha (NFSv3 over TCP) on 127.0.0.1: the image server of the tests. Needs root.
 * Do not change an exported tree behind a running server: it caches names and attributes.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { cachedDirectory } from './cache-directory.ts';
import { freePorts } from './free-ports.ts';
import { startProcess, type RunningProcess } from './process.ts';
import { MOUNT_PROGRAM, NFS_PROGRAM, waitForRpcServer } from './rpc-ping.ts';

export type GaneshaExport = {
  /** Absolute path of a directory on this machine; also the path clients ask MOUNT for. */
  readonly path: string;
  readonly access: 'read-only' | 'read-write';
};

export type GaneshaOptions = {
  readonly exports: readonly GaneshaExport[];
  /** Where configuration, logs and state live: the test's own directory. */
  readonly directory: string;
  /** Tells several servers of one test apart. */
  readonly name?: string;
};

/** Another process may take a port between the choice and ganesha's bind. */
const START_ATTEMPTS = 3;

const PRELOAD_SOURCE = join(import.meta.dirname, 'no-rpcbind.c');

/** Starts a server and waits until NFS and MOUNT both answer. */
export async function startGanesha(options: GaneshaOptions): Promise<Ganesha> {
  const preload = await buildPreload();
  for (let attempt = 1; ; attempt++) {
    const ganesha = new Ganesha(options, preload, await freePorts(4));
    try {
      await ganesha.start();
      return ganesha;
    } catch (error) {
      await ganesha.close();
      if (attempt === START_ATTEMPTS) throw error;
    }
  }
}

async function buildPreload(): Promise<string> {
  const directory = await cachedDirectory(
    'no-rpcbind',
    [await readFile(PRELOAD_SOURCE)],
    async (empty) => {
      const library = join(empty, 'no-rpcbind.so');
      await execa('gcc', ['-shared', '-fPIC', '-o', library, PRELOAD_SOURCE]);
    },
  );
  return join(directory, 'no-rpcbind.so');
}

export class Ganesha {
  readonly host = '127.0.0.1';
  readonly nfsPort: number;
  readonly mountPort: number;
  readonly exports: readonly GaneshaExport[];
  readonly #name: string;
  readonly #directory: string;
  readonly #preload: string;
  readonly #unusedPorts: readonly number[];
  #process: RunningProcess | undefined;

  /** @param ports four free ports: NFS, MOUNT, and two ganesha wants named though they stay unused */
  constructor(options: GaneshaOptions, preload: string, ports: readonly number[]) {
    const [nfsPort = 0, mountPort = 0, ...unusedPorts] = ports;
    this.nfsPort = nfsPort;
    this.mountPort = mountPort;
    this.exports = options.exports;
    this.#name = options.name ?? 'ganesha';
    this.#directory = options.directory;
    this.#preload = preload;
    this.#unusedPorts = unusedPorts;
  }

  /** Starts on the same ports as before, as an administrator would after `kill()` or `stop()`. */
  async start(): Promise<void> {
    const file = (suffix: string): string => join(this.#directory, `${this.#name}${suffix}`);
    const state = file('-state');
    await mkdir(state, { recursive: true });
    await writeFile(file('.conf'), this.#configuration(state));
    const earlierLog = await readFile(file('.log'), 'utf8').catch(() => '');
    this.#process = await startProcess(
      'ganesha.nfsd',
      ['-F', '-f', file('.conf'), '-p', file('.pid'), '-L', file('.log'), '-N', 'NIV_EVENT'],
      {
        name: this.#name,
        logFile: file('.output.log'),
        env: { ...process.env, LD_PRELOAD: this.#preload },
      },
    );
    const ended = new AbortController();
    void this.#process.ended.then(({ status, signal }) =>
      ended.abort(new Error(`${this.#name} ended while starting: ${status ?? signal ?? '?'}`)),
    );
    await waitForRpcServer(this.nfsPort, NFS_PROGRAM, { signal: ended.signal });
    await waitForRpcServer(this.mountPort, MOUNT_PROGRAM, { signal: ended.signal });
    // It runs happily without an export it could not make, and denies every mount.
    const log = (await readFile(file('.log'), 'utf8')).slice(earlierLog.length);
    const refused = /^.*(?:resolving export|Could not create export).*$/m.exec(log);
    if (refused !== null) throw new Error(`${this.#name} refused an export: ${refused[0]}`);
  }

  /** The machine it runs on dies: SIGKILL. */
  async kill(): Promise<void> {
    await this.#process?.kill('SIGKILL');
  }

  /** An orderly end: SIGTERM. */
  async stop(): Promise<void> {
    await this.#process?.kill('SIGTERM');
  }

  /** Accepts connections (the kernel does) and says nothing, until `resume()`. */
  pause(): void {
    this.#process?.signal('SIGSTOP');
  }

  resume(): void {
    this.#process?.signal('SIGCONT');
  }

  async close(): Promise<void> {
    await this.kill();
  }

  #configuration(stateDirectory: string): string {
    const [nlmPort = 0, rquotaPort = 0] = this.#unusedPorts;
    const exportBlocks = this.exports.map(
      ({ path, access }, index) => `
EXPORT {
  Export_Id = ${index + 1};
  Path = "${path}";
  Pseudo = "${path}";
  Access_Type = ${access === 'read-only' ? 'RO' : 'RW'};
  MaxRead = 1048576; PrefRead = 1048576; MaxWrite = 1048576; PrefWrite = 1048576;
  FSAL { Name = VFS; }
}`,
    );
    return `NFS_CORE_PARAM {
  Protocols = 3;
  Bind_addr = ${this.host};
  NFS_Port = ${this.nfsPort}; MNT_Port = ${this.mountPort};
  NLM_Port = ${nlmPort}; Rquota_Port = ${rquotaPort};
  Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = false;
  mount_path_pseudo = false;
}
NFSV4 { Graceless = true; RecoveryBackend = fs; RecoveryRoot = "${stateDirectory}"; }
EXPORT_DEFAULTS { SecType = sys; Protocols = 3; Transports = TCP; Squash = No_Root_Squash; }
${exportBlocks.join('\n')}
`;
  }
}
