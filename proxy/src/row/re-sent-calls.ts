import {
  type ArgsOf,
  type Nfs3Context,
  type ProcedureName,
  procedureNames,
  procedures,
  type Procedures,
  type ResultOf,
  resultOfBytes,
} from '@rowfs/nfs3';
import type { KeptReplies } from '../shadow/kept-replies.ts';

/**
 * The procedures of `service`, of which those that are not idempotent answer what an earlier process has
 * answered to the same call, and do nothing then.
 */
export function answeringReSent(service: Procedures, replies: KeptReplies): Procedures {
  const once =
    <P extends ProcedureName>(procedure: P) =>
    async (args: ArgsOf<P>, ctx: Nfs3Context): Promise<ResultOf<P>> => {
      const { duplicateRequestKey } = ctx;
      const kept =
        duplicateRequestKey === undefined ? undefined : replies.earlier(duplicateRequestKey);
      return kept === undefined ? service[procedure](args, ctx) : resultOfBytes(procedure, kept);
    };
  const methods = procedureNames.map((name) => [
    name,
    procedures[name].idempotent ? service[name] : once(name),
  ]);
  return Object.fromEntries(methods) as Procedures;
}
