import {
  createRpcServer,
  type HostPort,
  listenPortmapper,
  type RpcProgram,
  type RpcServer,
} from '@rowfs/oncrpc';
import { pino, type Logger } from 'pino';
import { createMountTable, type MountTable } from '../mount/mount-table.ts';
import type { Dirpath } from '../mount/types.ts';
import { MOUNT3_PROGRAM, NFS3_PROGRAM } from '../programs.ts';
import type { Nfs3Service } from '../service.ts';
import { mountProgram } from './mount-program.ts';
import { nfs3Program } from './nfs3-program.ts';

export interface Nfs3ListenOptions {
  readonly service: Nfs3Service;
  /** Default 127.0.0.1: AUTH_SYS proves nothing, so who can connect can do everything. */
  readonly host?: string;
  /** Port of NFS; 0, the default, lets the system choose one. */
  readonly port?: number;
  /** Port of MOUNT, on TCP and UDP, when it is to have one of its own. Default: the port of NFS. */
  readonly mountPort?: number;
  /** Paths under which the root of the service is mounted. Default `['/']`. */
  readonly exports?: readonly Dirpath[];
  /** Default: one that ends with the process. */
  readonly mountTable?: MountTable;
  /** Port of a portmapper, for clients that cannot be told a port; 111 is where they look. */
  readonly portmapPort?: number;
  readonly logger?: Logger;
}

export interface Nfs3Listener {
  readonly host: string;
  readonly port: number;
  readonly mountPort: number;
  /** Where the portmapper listens, if there is one. */
  readonly portmapPort: number | undefined;
  /** Ends what was opened for it; the service stays open. */
  readonly close: () => Promise<void>;
}

/**
 * Serves a service as an NFSv3 server: NFS over TCP; MOUNT over TCP and UDP at one port number, that
 * of NFS unless told otherwise. NFS is not served over UDP: it would lose and repeat what TCP does not.
 * Locks (NLM) are not served: clients mount with `nolock`.
 *
 * Rejects as net.Server and dgram.Socket do, with nothing left open.
 */
export async function listenNfs3(options: Nfs3ListenOptions): Promise<Nfs3Listener> {
  for (let attempt = 1; ; attempt += 1) {
    const opened: RpcServer[] = [];
    try {
      return await listenOnce(options, opened);
    } catch (error) {
      await closeAll(opened);
      if (attempt === CHOICES || !isUnluckyChoice(error, options)) throw error;
    }
  }
}

/** How often the system may choose a TCP port whose twin on UDP is somebody else's. */
const CHOICES = 8;

function isUnluckyChoice(error: unknown, options: Nfs3ListenOptions): boolean {
  const { code, syscall, port } = error as NodeJS.ErrnoException & { readonly port?: number };
  const asked = [options.port, options.mountPort, options.portmapPort];
  return code === 'EADDRINUSE' && syscall === 'bind' && !asked.includes(port);
}

async function listenOnce(options: Nfs3ListenOptions, opened: RpcServer[]): Promise<Nfs3Listener> {
  const { service, host = '127.0.0.1', port = 0, logger = pino({ level: 'silent' }) } = options;
  const nfs = nfs3Program(service, logger);
  const mount = mountProgram({
    service,
    exports: options.exports ?? ['/'],
    mountTable: options.mountTable ?? createMountTable(),
    logger,
  });
  const serverOf = (...programs: RpcProgram[]): RpcServer => {
    const server = createRpcServer({ programs, logger });
    opened.push(server);
    return server;
  };
  const mountServer = serverOf(mount);
  let bound: HostPort;
  let mountBound: HostPort;
  if (options.mountPort === undefined) {
    bound = mountBound = await serverOf(nfs, mount).listen({ host, port });
  } else {
    bound = await serverOf(nfs).listen({ host, port });
    mountBound = await mountServer.listen({ host, port: options.mountPort });
  }
  await mountServer.listenUdp({ host, port: mountBound.port });
  const close = (): Promise<void> => closeAll(opened);
  const { portmapPort } = options;
  if (portmapPort === undefined) {
    return { ...bound, mountPort: mountBound.port, portmapPort, close };
  }
  const portmapper = await listenPortmapper({
    host,
    port: portmapPort,
    mappings: [
      { ...NFS3_PROGRAM, protocol: 'tcp', port: bound.port },
      { ...MOUNT3_PROGRAM, protocol: 'tcp', port: mountBound.port },
      { ...MOUNT3_PROGRAM, protocol: 'udp', port: mountBound.port },
    ],
    logger,
  });
  return {
    ...bound,
    mountPort: mountBound.port,
    portmapPort: portmapper.address.port,
    close: () => closeAll([...opened, portmapper]),
  };
}

async function closeAll(opened: readonly { close(): Promise<void> }[]): Promise<void> {
  await Promise.all(opened.map((each) => each.close()));
}
