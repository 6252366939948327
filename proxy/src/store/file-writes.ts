import { closeSync, constants, fdatasync, openSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Writes } from './journal.ts';
import { syncDirectory } from './sync-directory.ts';

const fdatasyncOf = promisify(fdatasync);

/*
 * A write to a file beside the records, journaled with the records that go with it: the file itself then
 * needs no fsync of its own before anybody is answered. Its key is not one of a record:
 *
 *     0x00  path, relative to what the records are in  0x00  offset in hexadecimal
 *
 * Writes of different keys must not overlap: in which order they are done again is open.
 */
const MARK = '\0';

/** Keys of all journaled writes to the file begin with this. */
export function fileWritePrefix(path: string): string {
  return MARK + path + MARK;
}

export function fileWriteKey(path: string, offset: number): string {
  return fileWritePrefix(path) + offset.toString(16);
}

export function isFileWrite(key: string): boolean {
  return key.startsWith(MARK);
}

function pathOf(key: string): string {
  return key.slice(1, key.indexOf(MARK, 1));
}

function offsetOf(key: string): number {
  return Number.parseInt(key.slice(key.indexOf(MARK, 1) + 1), 16);
}

/** Does journaled writes once more: a power cut may have taken them from the files. */
export function redoFileWrites(base: string, writes: Writes): void {
  for (const [path, ofFile] of byPath(writes)) {
    const descriptor = openToWrite(join(base, path));
    if (descriptor === undefined) continue;
    try {
      for (const [key, bytes] of ofFile) write(descriptor, bytes, offsetOf(key));
    } finally {
      closeSync(descriptor);
    }
  }
}

/**
 * Brings the files of journaled writes, and their names, to stable storage.
 *
 * @returns the writes to files with which that failed, and the first reason.
 */
export async function syncFileWrites(
  base: string,
  writes: Writes,
): Promise<{ readonly failed: Map<string, Buffer>; readonly reason: unknown }> {
  const failed = new Map<string, Buffer>();
  let reason: unknown;
  const directories = new Map<string, Promise<void>>();
  const sync = async ([path, ofFile]: [string, Map<string, Buffer>]): Promise<void> => {
    const directory = dirname(join(base, path));
    try {
      await syncFile(join(base, path));
      const named = directories.get(directory) ?? syncDirectory(directory);
      directories.set(directory, named);
      await named;
    } catch (error) {
      if (isMissing(error)) return;
      reason ??= error;
      for (const [key, bytes] of ofFile) failed.set(key, bytes);
    }
  };
  await Promise.all([...byPath(writes)].map(sync));
  return { failed, reason };
}

function byPath(writes: Writes): Map<string, Map<string, Buffer>> {
  const files = new Map<string, Map<string, Buffer>>();
  for (const [key, bytes] of writes) {
    if (bytes === undefined || !isFileWrite(key)) continue;
    const path = pathOf(key);
    const ofFile = files.get(path) ?? new Map<string, Buffer>();
    files.set(path, ofFile.set(key, bytes));
  }
  return files;
}

async function syncFile(path: string): Promise<void> {
  const descriptor = openSync(path, constants.O_RDWR);
  try {
    await fdatasyncOf(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function write(descriptor: number, bytes: Buffer, offset: number): void {
  for (let done = 0; done < bytes.length;)
    done += writeSync(descriptor, bytes, done, bytes.length - done, offset + done);
}

/** Undefined when not even its directory is there. */
function openToWrite(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
