import { type Credential, PORTMAP_PORT, RpcError } from '@rowfs/oncrpc';
import { pino, type Logger } from 'pino';
import { codecs, everyProcedure } from './every-procedure.ts';
import type { ExportEntry } from './mount/export.ts';
import { mountProcedures } from './mount/table.ts';
import type { Dirpath } from './mount/types.ts';
import type { Fsinfo } from './procedures/fsinfo.ts';
import { MAX_TRANSFER_BYTES } from './procedures/procedure.ts';
import { MOUNT3_PROGRAM, NFS3_PROGRAM } from './programs.ts';
import { ProgramClient, type RemoteHost } from './remote/program-client.ts';
import type { Nfs3Context, Nfs3Service } from './service.ts';
import { Nfsstat3 } from './status.ts';

export interface RemoteServiceOptions {
  readonly host: string;
  /** Port of NFS. Default: what the server's portmapper says. */
  readonly port?: number;
  /**
   * Port of MOUNT. Default: the port of NFS if that was given, and what the portmapper says when
   * MOUNT is not there.
   */
  readonly mountPort?: number;
  /** Default 111. */
  readonly portmapPort?: number;
  /** Sent with every call instead of the caller's own. */
  readonly credential?: Credential;
  /** How long a call may take, over all its re-sends. Default 30 s. */
  readonly timeoutMs?: number;
  /** After this many failed connections in a row the waiting calls reject. Default: no limit. */
  readonly maxFailedConnections?: number;
  readonly logger?: Logger;
}

/** A server elsewhere, with what MOUNT has besides. */
export interface RemoteNfs3Service extends Nfs3Service {
  /** EXPORT of MOUNT version 3. */
  exports(ctx: Nfs3Context): Promise<readonly ExportEntry[]>;
  /** UMNT: tells the server that `dirpath` is not used any more. */
  unmount(dirpath: Dirpath, ctx: Nfs3Context): Promise<void>;
  /** Rejects the calls that wait, with CLOSED, and ends the connections. */
  close(): Promise<void>;
}

/**
 * An NFSv3 server over TCP. Nothing is sent before the first call. A lost connection is made again
 * and what waits is sent again, until the time of the call is up.
 *
 * Its methods reject with RpcError and nothing else: CONNECTION, TIMEOUT, CLOSED and ABORTED as
 * they are called, BAD_REPLY when the server talks nonsense, and the refusals of RFC 5531.
 * The data of READ is handed on as it was received.
 */
export function connectNfs3(options: RemoteServiceOptions): RemoteNfs3Service {
  const host: RemoteHost = {
    host: options.host,
    portmapPort: options.portmapPort ?? PORTMAP_PORT,
    credential: options.credential,
    timeoutMs: options.timeoutMs ?? 30_000,
    maxFailedConnections: options.maxFailedConnections ?? Infinity,
    logger: options.logger ?? pino({ level: 'silent' }),
  };
  const nfs = new ProgramClient(host, NFS3_PROGRAM, options.port);
  const mount = new ProgramClient(host, MOUNT3_PROGRAM, options.mountPort ?? options.port);
  const mountElsewhere = new ProgramClient(host, MOUNT3_PROGRAM, undefined);
  const mountIsAGuess = options.mountPort === undefined && options.port !== undefined;

  const callMount: ProgramClient['call'] = async (codec, args, ctx) => {
    try {
      return await mount.call(codec, args, ctx);
    } catch (error) {
      const absent = error instanceof RpcError && error.code === 'PROG_UNAVAIL';
      if (!absent || !mountIsAGuess) throw error;
    }
    try {
      return await mountElsewhere.call(codec, args, ctx);
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      const message = `MOUNT is not at port ${options.port}, and asking the portmapper for another: ${error.message}`;
      throw new RpcError(error.code, `${message} (mountPort says where it is)`, { cause: error });
    }
  };

  const { mnt, umnt, export: exportList } = mountProcedures;
  return {
    ...everyProcedure((procedure, args, ctx) => nfs.call(codecs[procedure], args, ctx)),
    async read(args, ctx) {
      const count = Math.min(args.count, MAX_TRANSFER_BYTES);
      const result = await nfs.call(codecs.read, { ...args, count }, ctx);
      if (result.status === Nfsstat3.OK && result.count > count) {
        const message = `the server answered READ with ${result.count} bytes where ${count} were asked for`;
        throw new RpcError('BAD_REPLY', message);
      }
      return result;
    },
    async fsinfo(args, ctx) {
      const result = await nfs.call(codecs.fsinfo, args, ctx);
      return result.status === Nfsstat3.OK ? { ...result, ...transferSizes(result) } : result;
    },
    null: (ctx) => nfs.null(ctx),
    mount: (dirpath, ctx) => callMount(mnt, dirpath, ctx),
    unmount: (dirpath, ctx) => callMount(umnt, dirpath, ctx),
    exports: (ctx) => callMount(exportList, undefined, ctx),
    async close() {
      await Promise.all([nfs.close(), mount.close(), mountElsewhere.close()]);
    },
  };
}

/** What the server takes in one call, as far as this codec does: some servers say 64 MiB. */
function transferSizes({
  rtmax,
  rtpref,
  wtmax,
  wtpref,
}: Fsinfo): Pick<Fsinfo, 'rtmax' | 'rtpref' | 'wtmax' | 'wtpref'> {
  const atMost = (bytes: number): number => Math.min(bytes, MAX_TRANSFER_BYTES);
  return {
    rtmax: atMost(rtmax),
    rtpref: atMost(rtpref),
    wtmax: atMost(wtmax),
    wtpref: atMost(wtpref),
  };
}
