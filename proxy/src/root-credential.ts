import type { Nfs3Context } from '@rowfs/nfs3';

/**
 * What the proxy calls servers with on its own account: mounting, probing, walking for others, and
 * reading an image, which holds files that only root may read.
 */
export const ROOT_CREDENTIAL: Nfs3Context['credential'] = {
  flavor: 'sys',
  stamp: 0,
  machinename: 'rowfs',
  uid: 0,
  gid: 0,
  gids: [],
};
