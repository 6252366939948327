import type { ProcedureCodec } from './procedures/procedure.ts';
import { procedureNames, procedures, type ProcedureName } from './procedures/table.ts';
import type { Nfs3Context, Nfs3Service } from './service.ts';

/** The arguments of a procedure, as its method takes them. */
export type ArgsOf<P extends ProcedureName> = Parameters<Nfs3Service[P]>[0];
/** What a procedure answers, whatever the status. */
export type ResultOf<P extends ProcedureName> = Awaited<ReturnType<Nfs3Service[P]>>;

/** The codecs by procedure, typed so that code that is generic in the procedure can use them. */
export const codecs: { readonly [P in ProcedureName]: ProcedureCodec<ArgsOf<P>, ResultOf<P>> } =
  procedures;

/** The procedures that have arguments and a result: all of a service but `null` and `mount`. */
export type Procedures = {
  [P in ProcedureName]: (args: ArgsOf<P>, ctx: Nfs3Context) => Promise<ResultOf<P>>;
};

/** Does any procedure, told which. */
export type ProcedureHandler = <P extends ProcedureName>(
  procedure: P,
  args: ArgsOf<P>,
  ctx: Nfs3Context,
) => Promise<ResultOf<P>>;

/**
 * Makes the methods of every procedure from one function, for services and layers that treat them
 * all alike: they cannot forget one.
 */
export function everyProcedure(handle: ProcedureHandler): Procedures {
  const methods = procedureNames.map((procedure) => [
    procedure,
    (args: ArgsOf<typeof procedure>, ctx: Nfs3Context) => handle(procedure, args, ctx),
  ]);
  return Object.fromEntries(methods) as Procedures;
}
