import type { Credential } from '@rowfs/oncrpc';
import { Access3, type Fattr3, Ftype3 } from './types.ts';

/** Who a caller without AUTH_SYS is: nobody. */
export const NOBODY = 65534;
/** The bits of one class (owner, group, others) of a mode. */
export const ModeBits = { READ: 4, WRITE: 2, EXECUTE: 1 } as const;
const { READ, WRITE, EXECUTE } = ModeBits;

/** In a directory with this bit, entries belong to their owners. */
const STICKY = 0o1000;

type Owned = Pick<Fattr3, 'mode' | 'uid' | 'gid'>;

export function callerUid(credential: Credential): number {
  return credential.flavor === 'sys' ? credential.uid : NOBODY;
}

export function callerGid(credential: Credential): number {
  return credential.flavor === 'sys' ? credential.gid : NOBODY;
}

/** True for the owner, and for root, who may do what owners may. */
export function actsAsOwner(attributes: Owned, credential: Credential): boolean {
  const uid = callerUid(credential);
  return uid === 0 || uid === attributes.uid;
}

export function inGroup(gid: number, credential: Credential): boolean {
  return (
    callerGid(credential) === gid || (credential.flavor === 'sys' && credential.gids.includes(gid))
  );
}

/**
 * The {@link ModeBits} that a mode gives to this caller: of the first class that fits, as POSIX has
 * it. To root it gives all, but EXECUTE of a file only when somebody has it.
 */
export function modeBitsOf(
  attributes: Owned & Pick<Fattr3, 'type'>,
  credential: Credential,
): number {
  const { mode, uid, gid, type } = attributes;
  if (callerUid(credential) === 0) {
    const executable = type === Ftype3.DIR || (mode & 0o111) !== 0;
    return READ | WRITE | (executable ? EXECUTE : 0);
  }
  if (callerUid(credential) === uid) return (mode >> 6) & 7;
  return (inGroup(gid, credential) ? mode >> 3 : mode) & 7;
}

/**
 * Which of the {@link Access3} bits in `wanted` the mode bits grant to the caller (RFC 1813 section
 * 3.3.4). Root is granted everything, but EXECUTE of a file only when somebody may execute it.
 */
export function checkAccess(
  attributes: Pick<Fattr3, 'mode' | 'uid' | 'gid' | 'type'>,
  credential: Credential,
  wanted: number,
): number {
  const bits = modeBitsOf(attributes, credential);
  const directory = attributes.type === Ftype3.DIR;
  let granted = 0;
  if ((bits & READ) !== 0) granted |= Access3.READ;
  if ((bits & EXECUTE) !== 0) granted |= directory ? Access3.LOOKUP : Access3.EXECUTE;
  if ((bits & WRITE) !== 0) {
    if (!directory) granted |= Access3.MODIFY | Access3.EXTEND;
    // Changing the entries of a directory needs both.
    else if ((bits & EXECUTE) !== 0) granted |= Access3.MODIFY | Access3.EXTEND | Access3.DELETE;
  }
  return granted & wanted;
}

/**
 * May the caller READ? A client checks permissions once, at open; the owner goes on reading after
 * `chmod 0`, and who may execute a file must be able to load it (RFC 1813 section 4.4).
 */
export function mayRead(
  attributes: Pick<Fattr3, 'mode' | 'uid' | 'gid' | 'type'>,
  credential: Credential,
): boolean {
  return (
    actsAsOwner(attributes, credential) ||
    checkAccess(attributes, credential, Access3.READ | Access3.EXECUTE) !== 0
  );
}

/** May the caller WRITE? The owner always, for the reason given at {@link mayRead}. */
export function mayWrite(
  attributes: Pick<Fattr3, 'mode' | 'uid' | 'gid' | 'type'>,
  credential: Credential,
): boolean {
  return (
    actsAsOwner(attributes, credential) || checkAccess(attributes, credential, Access3.MODIFY) !== 0
  );
}

/** May the caller take `entry` out of `dir`? In a sticky directory only who owns one of them. */
export function mayUnlink(
  dir: Pick<Fattr3, 'mode' | 'uid' | 'gid' | 'type'>,
  entry: Owned,
  credential: Credential,
): boolean {
  if (checkAccess(dir, credential, Access3.DELETE) === 0) return false;
  if ((dir.mode & STICKY) === 0) return true;
  return actsAsOwner(dir, credential) || actsAsOwner(entry, credential);
}
