import type { RpcProcedure, RpcProgram } from '@rowfs/oncrpc';
import type { Logger } from 'pino';
import { codecs, type Procedures, type ResultOf } from '../every-procedure.ts';
import { failure } from '../failure.ts';
import { procedureNames, type ProcedureName } from '../procedures/table.ts';
import { NFS3_PROGRAM } from '../programs.ts';
import type { Nfs3Context } from '../service.ts';
import { Nfsstat3, type Nfsstat3Error } from '../status.ts';
import { statusOfError } from './status-of-error.ts';

/**
 * The NFS program, version 3, that asks `service`. NULL is answered by the RPC layer.
 *
 * A service that rejects has no answer. When that is because it could not reach another server, the
 * client is told to come back (NFS3ERR_JUKEBOX); a defect is logged and answered
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
        const status = statusOfError(error);
        logger[levelOf(status, ctx)]({ err: error, procedure: name }, 'no answer from the service');
        result = failure(name, status);
      }
      return (writer) => {
        try {
          codec.writeResult(writer, result);
        } catch (error) {
          // An XdrError would be taken for bad arguments; here it is a defect of the service.
          throw new Error('the service gave a result that XDR cannot express', { cause: error });
        }
      };
    },
  };
}

function levelOf(status: Nfsstat3Error, ctx: Nfs3Context): 'debug' | 'warn' | 'error' {
  // The client went away, and took its call with it.
  if (ctx.signal.aborted) return 'debug';
  return status === Nfsstat3.JUKEBOX ? 'warn' : 'error';
}
