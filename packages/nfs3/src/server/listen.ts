import { createRpcServer, listenPortmapper, type RpcServer } from '@rowfs/oncrpc';
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
  /** Port of MOUNT when it is to have one of its own. Default: the port of NFS. */
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
 * Serves a service as an NFSv3 server over TCP: NFS and MOUNT, on one port unless told otherwise.
 * Locks (NLM) are not served: clients mount with `nolock`.
 *
 * Rejects as net.Server does, with nothing left open.
 */
export async function listenNfs3(options: Nfs3ListenOptions): Promise<Nfs3Listener> {
  const { service, host = '127.0.0.1', logger = pino({ level: 'silent' }) } = options;
  const nfs = nfs3Program(service, logger);
  const mount = mountProgram({
    service,
    exports: options.exports ?? ['/'],
    mountTable: options.mountTable ?? createMountTable(),
    logger,
  });
  const opened: { close(): Promise<void> }[] = [];
  const open = (server: RpcServer): RpcServer => {
    opened.push(server);
    return server;
  };
  const close = async (): Promise<void> => {
    await Promise.all(opened.map((server) => server.close()));
  };
  try {
    const together = options.mountPort === undefined;
    const programs = together ? [nfs, mount] : [nfs];
    const nfsServer = open(createRpcServer({ programs, logger }));
    const bound = await nfsServer.listen({ host, port: options.port ?? 0 });
    const mountBound = together
      ? bound
      : await open(createRpcServer({ programs: [mount], logger })).listen({
          host,
          port: options.mountPort,
        });
    let portmapPort: number | undefined;
    if (options.portmapPort !== undefined) {
      const mappings = [
        { ...NFS3_PROGRAM, protocol: 'tcp' as const, port: bound.port },
        { ...MOUNT3_PROGRAM, protocol: 'tcp' as const, port: mountBound.port },
      ];
      const portmapper = await listenPortmapper({
        host,
        port: options.portmapPort,
        mappings,
        logger,
      });
      opened.push(portmapper);
      portmapPort = portmapper.address.port;
    }
    return { ...bound, mountPort: mountBound.port, portmapPort, close };
  } catch (error) {
    await close();
    throw error;
  }
}
