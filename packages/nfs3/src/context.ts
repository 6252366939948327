import type { Credential } from '@rowfs/oncrpc';
import type { Nfs3Context } from './service.ts';

/** The call's own context, but as somebody else. */
export function asCaller(
  { signal, peer, reply }: Nfs3Context,
  credential: Credential,
): Nfs3Context {
  return reply === undefined ? { credential, signal, peer } : { credential, signal, peer, reply };
}
