import { createHash } from 'node:crypto';
import { peerIdFromString } from '@libp2p/peer-id';

/** A point of the Kademlia key space: 32 bytes. Peers and records live in the same space. */
export type KadKey = Uint8Array;

/** Where the `latest` record of an appliance lives. */
export function latestKey(appliance: string): KadKey {
  return tableKey('latest', appliance);
}

/** Where the server entries of one version live. */
export function serversKey(appliance: string, version: string): KadKey {
  return tableKey('servers', appliance, version);
}

/** Where the sharers' leases of one version live. */
export function sharersKey(appliance: string, version: string): KadKey {
  return tableKey('sharers', appliance, version);
}

/** Where a peer lives: SHA-256 of its multihash, as kad-dht has it. */
export function peerKey(peerId: string): KadKey {
  return createHash('sha256').update(peerIdFromString(peerId).toMultihash().bytes).digest();
}

/** Orders two points by their XOR distance to `target`: negative when `a` is closer. */
export function compareDistance(target: KadKey, a: KadKey, b: KadKey): number {
  for (let i = 0; i < target.length; i += 1) {
    const t = target[i] ?? 0;
    const difference = (t ^ (a[i] ?? 0)) - (t ^ (b[i] ?? 0));
    if (difference !== 0) return difference;
  }
  return 0;
}

// Names cannot contain NUL, so no two (table, name, version) make the same bytes.
function tableKey(table: string, ...parts: string[]): KadKey {
  return createHash('sha256')
    .update(['rowfs/1', table, ...parts].join('\0'))
    .digest();
}
