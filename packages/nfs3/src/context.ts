import type { Credential } from '@rowfs/oncrpc';
import type { Nfs3Context } from './service.ts';

/** The call's own context, but as somebody else. */
export function asCaller(ctx: Nfs3Context, credential: Credential): Nfs3Context {
  return { ...ctx, credential };
}
