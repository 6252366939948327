import type { Credential } from '@rowfs/oncrpc';
import { asCaller } from '../context.ts';
import { everyProcedure, type Procedures } from '../every-procedure.ts';
import { NOBODY } from '../permissions.ts';
import type { Nfs3Context, Nfs3Layer } from '../service.ts';

/** Whose calls are made anonymous: nobody's, root's, or all; as in exports(5). */
export type Squash = 'none' | 'root' | 'all';

export interface SquashOptions {
  readonly squash: Squash;
  /** Who squashed callers are, and those without AUTH_SYS. Default: nobody, 65534:65534. */
  readonly anonymous?: { readonly uid: number; readonly gid: number };
}

/**
 * Maps the credential of every call, as exports(5) has it: `no_root_squash`, `root_squash`,
 * `all_squash`, with `anonuid` and `anongid`. A caller that brings no AUTH_SYS is always anonymous.
 *
 * MNT goes down as it is: everybody may mount, and what a handle is good for is decided call by call.
 */
export function squash(options: SquashOptions): Nfs3Layer {
  const { uid, gid } = options.anonymous ?? { uid: NOBODY, gid: NOBODY };
  const mapped = credentialMap(options.squash, { uid, gid });
  const mappedContext = (ctx: Nfs3Context): Nfs3Context => {
    const credential = mapped(ctx.credential);
    if (credential === ctx.credential) return ctx;
    return asCaller(ctx, credential);
  };
  return (lower) => {
    const below: Procedures = lower;
    return {
      ...everyProcedure((procedure, args, ctx) => below[procedure](args, mappedContext(ctx))),
      null: (ctx) => lower.null(ctx),
      mount: (dirpath, ctx) => lower.mount(dirpath, ctx),
    };
  };
}

function credentialMap(
  squashed: Squash,
  anonymous: { readonly uid: number; readonly gid: number },
): (credential: Credential) => Credential {
  const nobody: Credential = { flavor: 'sys', stamp: 0, machinename: '', gids: [], ...anonymous };
  const ofRoot = (gid: number): number => (gid === 0 ? anonymous.gid : gid);
  return (credential) => {
    if (credential.flavor !== 'sys' || squashed === 'all') return nobody;
    if (squashed === 'none') return credential;
    const { uid, gid, gids } = credential;
    if (uid !== 0 && gid !== 0 && !gids.includes(0)) return credential;
    // Root's group opens as much as root does: whoever is in it comes without it.
    return {
      ...credential,
      uid: uid === 0 ? anonymous.uid : uid,
      gid: ofRoot(gid),
      gids: gids.map(ofRoot),
    };
  };
}
