import { RpcError, type RpcProcedure, type RpcProgram } from '@rowfs/oncrpc';
import type { Logger } from 'pino';
import { codecs, type Procedures, type ResultOf } from '../every-procedure.ts';
import { failure } from '../failure.ts';
import { procedureNames, type ProcedureName } from '../procedures/table.ts';
import { NFS3_PROGRAM } from '../programs.ts';
import { Nfsstat3, type Nfsstat3Error } from '../status.ts';

/**
 * The NFS program, version 3, that asks `service`. NULL is answered by the RPC layer.
 *
 * A service that rejects has no answer. When it says that it could not reach another server, the
 * client is told to come back (NFS3ERR_JUKEBOX); anything else is a defect, logged and answered
 * NFS3ERR_SERVERFAULT.
 */
export function nfs3Program(service: Procedures, logger: Logger): RpcProgram {
  const byNumber = procedureNames.map((name): [number, RpcProcedure] => [
    codecs[name].number,
    rpcProcedure(name, service, logger),
  ]);
  return { ...NFS3_PROGRAM, name: 'NFS', procedures: new Map(byNumber) };
}

// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- ties codec to method
function rpcProcedure<P extends ProcedureName>(
  name: P,
  service: Procedures,
  logger: Logger,
): RpcProcedure {
  const codec = codecs[name];
  return {
    name: name.toUpperCase(),
    cacheable: !codec.idempotent,
    // AUTH_NONE is anonymous to the service: what it may do is the service's to say.
    auth: 'any',
    async call(reader, ctx) {
      const args = codec.readArgs(reader);
      reader.end();
      let result: ResultOf<P>;
      try {
        result = await service[name](args, ctx);
      } catch (error) {
        const status = statusOf(error);
        if (status === Nfsstat3.JUKEBOX) logger.warn({ err: error, procedure: name }, 'no answer');
        else logger.error({ err: error, procedure: name }, 'the service failed unexpectedly');
        result = failure(name, status);
      }
      return (writer) => codec.writeResult(writer, result);
    },
  };
}

/** Whether the fault is a server's further down, and may pass. */
export function isTransportFailure(error: unknown): boolean {
  return error instanceof RpcError;
}

function statusOf(error: unknown): Nfsstat3Error {
  return isTransportFailure(error) ? Nfsstat3.JUKEBOX : Nfsstat3.SERVERFAULT;
}
