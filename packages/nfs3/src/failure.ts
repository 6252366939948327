import type { ResultOf } from './every-procedure.ts';
import type { ProcedureName } from './procedures/table.ts';
import type { Nfsstat3Error } from './status.ts';
import type { WccData } from './types.ts';

/** The arm of a procedure's result that comes with every status but OK. */
export type FailureOf<P extends ProcedureName> = Extract<
  ResultOf<P>,
  { readonly status: Nfsstat3Error }
>;

const NO_ATTRIBUTES: WccData = { before: undefined, after: undefined };
const objAttributes = { objAttributes: undefined };
const dirAttributes = { dirAttributes: undefined };
const dirWcc = { dirWcc: NO_ATTRIBUTES };

const withoutAttributes: { [P in ProcedureName]: Omit<FailureOf<P>, 'status'> } = {
  getattr: {},
  setattr: { objWcc: NO_ATTRIBUTES },
  lookup: dirAttributes,
  access: objAttributes,
  readlink: { symlinkAttributes: undefined },
  read: { fileAttributes: undefined },
  write: { fileWcc: NO_ATTRIBUTES },
  create: dirWcc,
  mkdir: dirWcc,
  symlink: dirWcc,
  mknod: dirWcc,
  remove: dirWcc,
  rmdir: dirWcc,
  rename: { fromdirWcc: NO_ATTRIBUTES, todirWcc: NO_ATTRIBUTES },
  link: { fileAttributes: undefined, linkdirWcc: NO_ATTRIBUTES },
  readdir: dirAttributes,
  readdirplus: dirAttributes,
  fsstat: objAttributes,
  fsinfo: objAttributes,
  pathconf: objAttributes,
  commit: { fileWcc: NO_ATTRIBUTES },
};

/** The result that says only that `procedure` failed: no attributes go with it. */
export function failure<P extends ProcedureName>(
  procedure: P,
  status: Nfsstat3Error,
): FailureOf<P> {
  return { status, ...withoutAttributes[procedure] } as FailureOf<P>;
}
