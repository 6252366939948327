import type { XdrReader, XdrWriter } from '@rowfs/xdr';
import type { Logger } from 'pino';
import type { RpcProcedure, RpcProgram } from './program.ts';
import type { HostPort } from './address.ts';
import { createRpcServer } from './server.ts';

export const PORTMAP_PROGRAM = 100_000;
export const PORTMAP_VERSION = 2;
export const PORTMAP_PORT = 111;

/** Procedures of RFC 1833 section 3. */
export const PORTMAP_GETPORT = 3;
export const PORTMAP_DUMP = 4;

const PROTOCOLS = { tcp: 6, udp: 17 } as const;
const NO_PORT = 0;

/** Where a version of a program is served. */
export interface PortMapping {
  readonly program: number;
  readonly version: number;
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
}

/**
 * The portmapper, version 2 (RFC 1833 section 3), for a fixed set of mappings: NULL, GETPORT and
 * DUMP. SET, UNSET and CALLIT are PROC_UNAVAIL: nobody else registers here, and forwarding calls
 * for strangers is how portmappers are abused.
 */
export function createPortmapper(mappings: readonly PortMapping[]): RpcProgram {
  const getport: RpcProcedure = {
    name: 'GETPORT',
    cacheable: false,
    auth: 'any',
    async call(args) {
      const { program, version, protocol } = readMapping(args);
      args.end();
      const served = mappings.filter(
        (m) => m.program === program && PROTOCOLS[m.protocol] === protocol,
      );
      // As rpcbind does: of another version the program itself says which ones it has.
      const found = served.find((m) => m.version === version) ?? served[0];
      return (results) => results.uint32(found?.port ?? NO_PORT);
    },
  };
  const dump: RpcProcedure = {
    name: 'DUMP',
    cacheable: false,
    auth: 'any',
    async call(args) {
      args.end();
      return (results) => {
        for (const mapping of mappings) results.optional(mapping, writeMapping);
        results.bool(false);
      };
    },
  };
  return {
    program: PORTMAP_PROGRAM,
    version: PORTMAP_VERSION,
    name: 'PORTMAP',
    procedures: new Map([
      [PORTMAP_GETPORT, getport],
      [PORTMAP_DUMP, dump],
    ]),
  };
}

export interface Portmapper {
  /** Where it listens, on TCP and UDP alike. */
  readonly address: HostPort;
  close(): Promise<void>;
}

/**
 * Serves a portmapper over TCP and UDP; it tells of itself too, as others do. Port 111, the default,
 * needs privileges.
 *
 * Rejects as net.Server and dgram.Socket do, with nothing left open.
 */
export async function listenPortmapper(options: {
  readonly host: string;
  readonly port?: number;
  readonly mappings: readonly PortMapping[];
  readonly logger?: Logger;
}): Promise<Portmapper> {
  const { host, port = PORTMAP_PORT, logger } = options;
  const mappings = [...options.mappings];
  const programs = [createPortmapper(mappings)];
  const server = createRpcServer(logger === undefined ? { programs } : { programs, logger });
  try {
    const address = await server.listen({ host, port });
    await server.listenUdp({ host, port: address.port });
    const own = { program: PORTMAP_PROGRAM, version: PORTMAP_VERSION, port: address.port };
    mappings.push({ ...own, protocol: 'tcp' }, { ...own, protocol: 'udp' });
    return { address, close: () => server.close() };
  } catch (error) {
    await server.close();
    throw error;
  }
}

/** struct mapping of RFC 1833 section 3.1. */
function readMapping(reader: XdrReader): { program: number; version: number; protocol: number } {
  const mapping = {
    program: reader.uint32(),
    version: reader.uint32(),
    protocol: reader.uint32(),
  };
  reader.uint32(); // The port, which the question leaves open.
  return mapping;
}

function writeMapping(writer: XdrWriter, mapping: PortMapping): void {
  writer.uint32(mapping.program);
  writer.uint32(mapping.version);
  writer.uint32(PROTOCOLS[mapping.protocol]);
  writer.uint32(mapping.port);
}
