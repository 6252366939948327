import { blake3, Blake3Hasher, blake3UrlSafeBase64 } from '@napi-rs/blake-hash';

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
  if (!(bytes instanceof Uint8Array)) return digestOf(bytes).equals(digest);
  // As text, in base64 with its one byte of padding: it costs a quarter of the digest as a Buffer, whose
  // memory is the library's.
  const { buffer, byteOffset, length } = digest;
  const expected = Buffer.from(buffer, byteOffset, length).toString('base64url');
  return blake3UrlSafeBase64(bytes) === `${expected}=`;
}
