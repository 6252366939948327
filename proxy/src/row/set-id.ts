import { callerUid, inGroup } from '@rowfs/nfs3';
import type { Credential } from '@rowfs/oncrpc';

const SET_UID = 0o4000;
const SET_GID = 0o2000;
const GROUP_EXECUTE = 0o010;

/**
 * A mode without what makes a program run as somebody else, as Linux takes it off when a file is
 * written or given away. Without group execution SET_GID means nothing, and stays for the group.
 */
export function withoutSetId(mode: number, gid: number, credential: Credential): number {
  const isOfGroup = callerUid(credential) === 0 || inGroup(gid, credential);
  const keepsSetGid = (mode & GROUP_EXECUTE) === 0 && isOfGroup;
  return mode & ~(keepsSetGid ? SET_UID : SET_UID | SET_GID);
}
