import { type BigIntStats, lstatSync } from 'node:fs';
import process from 'node:process';
import type { Caller } from './callers.ts';

/** Bits of one class of a mode. */
export const READ = 4;
export const WRITE = 2;
export const EXECUTE = 1;

/** Does something with the caller's user and groups; this process is root's otherwise. */
export function as<T>(caller: Caller, work: () => T): T {
  if (caller.uid === 0) return work();
  process.setgroups?.([...caller.gids]);
  process.setegid?.(caller.gid);
  process.seteuid?.(caller.uid);
  try {
    return work();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
    process.setgroups?.([]);
  }
}

export function isAllowed(work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (codeOf(error) !== 'EACCES') throw error;
    return false;
  }
}

export function isThere(path: Buffer): boolean {
  try {
    lstatSync(path);
    return true;
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    return false;
  }
}

export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

export function isOwnerOrRoot(stats: BigIntStats, caller: Caller): boolean {
  return caller.uid === 0 || caller.uid === Number(stats.uid);
}

/** What the mode bits say, where there is no harmless system call that would. */
export function permits(stats: BigIntStats, caller: Caller, bit: number): boolean {
  const mode = Number(stats.mode);
  if (caller.uid === 0) return bit !== EXECUTE || stats.isDirectory() || (mode & 0o111) !== 0;
  const isInGroup = [caller.gid, ...caller.gids].includes(Number(stats.gid));
  const shift = caller.uid === Number(stats.uid) ? 6 : isInGroup ? 3 : 0;
  return ((mode >> shift) & bit) !== 0;
}
