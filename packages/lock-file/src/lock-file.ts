import { linkSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { LockHeldError } from './lock-held-error.ts';
import { processStart } from './process-start.ts';

interface Holder {
  readonly pid: number;
  /** When that process started: tells it from a later one of its number. */
  readonly started: string;
}

/**
 * Takes the lock file at `path` for this process, over one whose process is gone.
 *
 * @returns what gives it back.
 * @throws LockHeldError, naming the process that has it
 */
export function lockFile(path: string): () => void {
  const own = `${path}.${process.pid}`;
  const holder: Holder = { pid: process.pid, started: processStart(process.pid) ?? '' };
  try {
    writeFileSync(own, JSON.stringify(holder));
    while (!tryLink(own, path)) {
      refuseIfHeld(path);
      stealAbandoned(path);
    }
  } finally {
    rmSync(own, { force: true });
  }
  removeLeftBehind(path);
  return () => rmSync(path, { force: true });
}

/** The process that has the lock file at `path`; undefined when nobody does. */
export function lockHolder(path: string): number | undefined {
  const holder = readHolder(path);
  return holder !== undefined && processStart(holder.pid) === holder.started
    ? holder.pid
    : undefined;
}

/** Linking, unlike writing, makes the file with its contents or not at all. */
function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function refuseIfHeld(path: string): void {
  const pid = lockHolder(path);
  if (pid !== undefined) throw new LockHeldError(path, pid);
}

/** Moves the lock aside before it is judged again: two that steal at once must not both succeed. */
function stealAbandoned(path: string): void {
  const aside = `${path}.${process.pid}.abandoned`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  try {
    refuseIfHeld(aside);
  } catch (error) {
    tryLink(aside, path);
    throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

/** What processes left that were killed while they took the lock. */
function removeLeftBehind(path: string): void {
  const prefix = `${basename(path)}.`;
  for (const name of readdirSync(dirname(path))) {
    const pid = Number.parseInt(name.slice(prefix.length), 10);
    if (!name.startsWith(prefix) || Number.isNaN(pid) || processStart(pid) !== undefined) continue;
    rmSync(join(dirname(path), name), { force: true });
  }
}

function readHolder(path: string): Holder | undefined {
  try {
    const holder: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof holder !== 'object' || holder === null) return undefined;
    if (!('pid' in holder) || typeof holder.pid !== 'number') return undefined;
    if (!('started' in holder) || typeof holder.started !== 'string') return undefined;
    return { pid: holder.pid, started: holder.started };
  } catch {
    // Gone again, or torn by a power cut: nobody alive can have written that.
    return undefined;
  }
}
