import type { Nfs3Context } from '@rowfs/nfs3';

/** What the proxy calls with on its own account: mounting, probing, and walking for others. */
export const ROOT_CREDENTIAL: Nfs3Context['credential'] = {
  flavor: 'sys',
  stamp: 0,
  machinename: 'rowfs',
  uid: 0,
  gid: 0,
  gids: [],
};
