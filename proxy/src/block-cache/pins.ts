import { readdirSync, readFileSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DIGEST_BYTES, type Image } from '@rowfs/image';
import { CacheError } from './cache-error.ts';

const PIN = /^pin-(?<digest>[0-9a-f]{64})$/;
const NEWLINE = 0x0a;

/** A version of which no block is evicted. */
export interface Pin {
  /** What people call it. */
  readonly name: string;
  /** Of the image, as hex. */
  readonly image: string;
  /** ISO 8601. */
  readonly since: string;
}

/**
 * Pins are files in the cache's directory: a line of JSON, and the digests of the blocks one after the
 * other.
 */
export async function pinImage(directory: string, image: Image, name: string): Promise<Pin> {
  const pin = { name, image: image.digest.toString('hex'), since: new Date().toISOString() };
  const path = pinPath(directory, pin.image);
  const aside = `${path}.${process.pid}.new`;
  try {
    const digests = image.digests(0, image.blockCount);
    await writeFile(aside, Buffer.concat([Buffer.from(`${JSON.stringify(pin)}\n`), digests]));
    await rename(aside, path);
  } finally {
    await rm(aside, { force: true });
  }
  return pin;
}

/** @throws CacheError NOT_PINNED */
export async function unpinImage(directory: string, image: string): Promise<void> {
  try {
    await rm(pinPath(directory, image));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
    throw new CacheError('NOT_PINNED', `no version with the digest ${image} is pinned`, { cause });
  }
}

export function pinsIn(directory: string): Pin[] {
  return [...readPins(directory)]
    .map(({ pin }) => pin)
    .sort((a, b) => (a.since < b.since ? -1 : 1));
}

/** The digests of all pinned blocks, one after the other. */
export function pinnedDigests(directory: string): Buffer {
  return Buffer.concat([...readPins(directory)].map(({ digests }) => digests));
}

function* readPins(directory: string): Generator<{ readonly pin: Pin; readonly digests: Buffer }> {
  for (const name of readdirSync(directory)) {
    const image = PIN.exec(name)?.groups?.['digest'];
    if (image === undefined) continue;
    const bytes = readPin(join(directory, name));
    const end = bytes.indexOf(NEWLINE) + 1;
    const length = Math.floor((bytes.length - end) / DIGEST_BYTES) * DIGEST_BYTES;
    yield {
      pin: { ...describe(bytes.toString('utf8', 0, end)), image },
      digests: bytes.subarray(end, end + length),
    };
  }
}

/** Empty for one that was just taken away. */
function readPin(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}

/** What a damaged file does not say is left open: its blocks are what matters. */
function describe(line: string): Omit<Pin, 'image'> {
  let found: unknown;
  try {
    found = JSON.parse(line);
  } catch {
    found = {};
  }
  const { name, since } = found as { name?: unknown; since?: unknown };
  return {
    name: typeof name === 'string' ? name : 'unknown',
    since: typeof since === 'string' ? since : new Date(0).toISOString(),
  };
}

function pinPath(directory: string, image: string): string {
  return join(directory, `pin-${image}`);
}
