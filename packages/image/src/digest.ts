import { blake3, Blake3Hasher } from '@napi-rs/blake-hash';

/** Bytes of a digest: BLAKE3 with its default length. */
export const DIGEST_BYTES = 32;

/** The BLAKE3 digest of `bytes`, or of several pieces one after the other. */
export function digestOf(bytes: Uint8Array | readonly Uint8Array[]): Buffer {
  if (bytes instanceof Uint8Array) return blake3(bytes);
  const [only, ...others] = bytes;
  if (only !== undefined && others.length === 0) return blake3(only);
  const hasher = new Blake3Hasher();
  for (const piece of bytes) hasher.update(piece);
  return hasher.digestBuffer();
}

/** Whether `bytes`, in one piece or several, are the block that has this digest. */
export function verifyBlock(
  digest: Uint8Array,
  bytes: Uint8Array | readonly Uint8Array[],
): boolean {
  return digestOf(bytes).equals(digest);
}
