import type { Credential } from '@rowfs/oncrpc';
import type { Nfs3Context } from '../service.ts';

export const ALICE: Credential = {
  flavor: 'sys',
  stamp: 7,
  machinename: 'a-client',
  uid: 1000,
  gid: 100,
  gids: [4, 24],
};

/** A call by ALICE that nobody gives up. */
export const ctx: Nfs3Context = {
  credential: ALICE,
  signal: new AbortController().signal,
  peer: { address: '127.0.0.1', port: 1023 },
};
