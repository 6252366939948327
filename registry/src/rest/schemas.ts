import { z } from 'zod';

export const timeSchema = z.iso
  .datetime()
  .meta({ id: 'Time', description: 'A point in time, ISO 8601 in UTC.' });

/** The last time that ISO 8601 writes with four digits for the year. */
const END_OF_TIME = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/** `ms` since the epoch as ISO 8601. Times in records are their publisher's word: any number can come. */
export function isoTime(ms: number): string {
  return new Date(Math.min(ms, END_OF_TIME)).toISOString();
}

export function isoTimeOf(date: Date | undefined): string | null {
  return date === undefined ? null : isoTime(date.getTime());
}

/** A number of things, or of bytes. */
export const countSchema = z.int().min(0);

export const staleSinceSchema = timeSchema.nullable().meta({
  description: 'Set when this is an older answer: the time up to which it is known to be true.',
});

export const peerIdSchema = z.string().meta({ description: 'An Ed25519 peer id of libp2p.' });
