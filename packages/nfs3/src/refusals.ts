import { everyProcedure, type Procedures } from './every-procedure.ts';
import { failure } from './failure.ts';
import type { ProcedureName } from './procedures/table.ts';
import { Nfsstat3, type Nfsstat3Error } from './status.ts';

/** The procedures that change something, but COMMIT: what was never written needs no refusal. */
const modifyingProcedures = [
  'setattr',
  'write',
  'create',
  'mkdir',
  'symlink',
  'mknod',
  'remove',
  'rmdir',
  'rename',
  'link',
] as const satisfies readonly ProcedureName[];
type ModifyingProcedure = (typeof modifyingProcedures)[number];

/**
 * Methods that answer `status` to whatever they are asked, to be spread into a service that writes
 * only its subject: `{ ...refusals(Nfsstat3.NOTSUPP, ['mknod', 'link']), ... }`.
 */
export function refusals<P extends ProcedureName>(
  status: Nfsstat3Error,
  procedures: readonly P[],
): Pick<Procedures, P> {
  const refusing = everyProcedure(async (procedure) => failure(procedure, status));
  return Object.fromEntries(procedures.map((name) => [name, refusing[name]])) as Pick<
    Procedures,
    P
  >;
}

/** NFS3ERR_ROFS for every procedure that changes something; COMMIT is left to the service. */
export function readOnlyRefusals(): Pick<Procedures, ModifyingProcedure> {
  return refusals(Nfsstat3.ROFS, modifyingProcedures);
}
