import type { Credential } from '@rowfs/oncrpc';
import { chmodSync, chownSync, ftruncateSync, utimesSync } from 'node:fs';
import { actsAsOwner, callerUid, inGroup, mayWrite } from '../permissions.ts';
import { Nfsstat3 } from '../status.ts';
import { type Fattr3, Ftype3, type Nfstime3, type Sattr3, type SetTime } from '../types.ts';
import { Nfs3Failure } from './errno.ts';
import type { Pin } from './pin.ts';
import { checkRegular, type WritableTree } from './tree.ts';

export const S_ISUID = 0o4000;
export const S_ISGID = 0o2000;

/** Refuses with PERM or ACCES what this caller may not change. */
export function checkMaySet(current: Fattr3, wanted: Sattr3, credential: Credential): void {
  const root = callerUid(credential) === 0;
  const owner = actsAsOwner(current, credential);
  if (wanted.uid !== undefined && wanted.uid !== current.uid && !root) refuse();
  if (wanted.gid !== undefined && wanted.gid !== current.gid && !root) {
    if (!owner || !inGroup(wanted.gid, credential)) refuse();
  }
  if (wanted.mode !== undefined && !owner) refuse();
  if (isTime(wanted.atime) || isTime(wanted.mtime)) {
    if (!owner) refuse();
  } else if (wanted.atime === 'server-time' || wanted.mtime === 'server-time') {
    if (!mayWrite(current, credential)) throw new Nfs3Failure(Nfsstat3.ACCES);
  }
  if (wanted.size !== undefined && !mayWrite(current, credential)) {
    throw new Nfs3Failure(Nfsstat3.ACCES);
  }
}

function refuse(): never {
  throw new Nfs3Failure(Nfsstat3.PERM);
}

function isTime(time: SetTime): time is Nfstime3 {
  return typeof time === 'object';
}

/**
 * Sets what `wanted` has. The order matters: a new size changes mtime, a new owner takes the setuid
 * bits away, so times come last and the mode after the owner.
 */
export function setAttributes(
  tree: WritableTree,
  pin: Pin,
  current: Fattr3,
  wanted: Sattr3,
  credential: Credential,
): void {
  if (wanted.size !== undefined) {
    checkRegular(pin);
    ftruncateSync(tree.writers.open(pin).fd, wanted.size);
  }
  if (wanted.uid !== undefined || wanted.gid !== undefined) {
    chownSync(pin.path, wanted.uid ?? current.uid, wanted.gid ?? current.gid);
  }
  // A symbolic link has no mode of its own.
  if (wanted.mode !== undefined && pin.type !== Ftype3.LNK) {
    chmodSync(pin.path, permittedMode(wanted.mode, wanted.gid ?? current.gid, credential));
  }
  if (wanted.atime !== 'dont-change' || wanted.mtime !== 'dont-change') {
    utimesSync(
      pin.path,
      timeToSet(wanted.atime, current.atime),
      timeToSet(wanted.mtime, current.mtime),
    );
  }
}

/** setgid is for members of the group only. */
function permittedMode(mode: number, gid: number, credential: Credential): number {
  const member = callerUid(credential) === 0 || inGroup(gid, credential);
  return (member ? mode : mode & ~S_ISGID) & 0o7777;
}

/**
 * Node takes floating-point seconds, which today are 238 ns apart: half of that more, and the cut to
 * whole nanoseconds never goes below the microsecond that was asked for.
 */
const HALF_STEP_NS = 125;

function timeToSet(time: SetTime, current: Nfstime3): number {
  if (time === 'server-time') return Date.now() / 1000;
  const { seconds, nseconds } = time === 'dont-change' ? current : time;
  return nseconds === 0 ? seconds : seconds + (nseconds + HALF_STEP_NS) / 1e9;
}
