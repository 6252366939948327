import { createRpcServer, listenPortmapper, type Portmapper } from '@rowfs/oncrpc';
import { type Logger, pino } from 'pino';
import { createMountTable } from '../mount/mount-table.ts';
import type { Dirpath } from '../mount/types.ts';
import { MOUNT3_PROGRAM } from '../programs.ts';
import type { Nfs3Service } from '../service.ts';
import { mountProgram } from './mount-program.ts';

export interface MountListenOptions {
  /** Where roots are found: of several services perhaps, each by its path. */
  readonly service: Pick<Nfs3Service, 'mount'>;
  /** As clients are told by EXPORT; with `/` the service is asked for whole paths. */
  readonly exports: readonly Dirpath[];
  readonly host: string;
  /** Of TCP and UDP; 0, the default, lets the system choose one. */
  readonly port?: number;
  /** Port of a portmapper that tells of MOUNT alone: its clients are told the port of NFS. */
  readonly portmapPort?: number;
  readonly logger?: Logger;
}

export interface MountListener {
  readonly host: string;
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Serves MOUNT alone, for services that are served by listeners of their own: there is one portmapper on a
 * machine, and it knows one port of MOUNT.
 *
 * Rejects as net.Server and dgram.Socket do, with nothing left open.
 */
export async function listenMount(options: MountListenOptions): Promise<MountListener> {
  const { service, host, port = 0, portmapPort, logger = pino({ level: 'silent' }) } = options;
  const mountTable = createMountTable();
  const program = mountProgram({ service, exports: options.exports, mountTable, logger });
  const server = createRpcServer({ programs: [program], logger });
  let portmapper: Portmapper | undefined;
  try {
    const bound = await server.listen({ host, port });
    await server.listenUdp({ host, port: bound.port });
    if (portmapPort !== undefined) {
      const mapping = { ...MOUNT3_PROGRAM, port: bound.port };
      portmapper = await listenPortmapper({
        host,
        port: portmapPort,
        mappings: [
          { ...mapping, protocol: 'tcp' },
          { ...mapping, protocol: 'udp' },
        ],
        logger,
      });
    }
    return {
      ...bound,
      async close() {
        await portmapper?.close();
        await server.close();
      },
    };
  } catch (error) {
    await server.close();
    throw error;
  }
}
