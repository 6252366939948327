import { hash } from 'node:crypto';

/** What stands for a lease where names would take too much room: 64 bits, the same on every node. */
export interface LeaseHash {
  /** 32 bits: where it stands in a table, and what a sketch counts. */
  readonly high: number;
  /** 32 further bits: whether it is in a sample. */
  readonly low: number;
}

export function leaseHash(client: string, lease: string): LeaseHash {
  const digest = hash('sha256', `${client}\0${lease}`, 'buffer');
  return { high: digest.readUInt32BE(0), low: digest.readUInt32BE(4) };
}

/** Stands for a client where its quota is counted: two of them share one in 4 billion cases. */
export function clientHash(client: string): number {
  return hash('sha256', client, 'buffer').readUInt32BE(0);
}

/** Whether a lease is in the sample of one in 2^level. */
export function isSampled(low: number, level: number): boolean {
  return level === 0 || low << (32 - level) === 0;
}
