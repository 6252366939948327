import { DIGEST_BYTES, digestOf } from './digest.ts';
import { ImageError } from './error.ts';
import {
  type Counts,
  FORMAT_VERSION,
  Header,
  HEADER_BYTES,
  isBlockSize,
  type Layout,
  layoutOf,
  MAGIC,
} from './format.ts';

/** The bytes of a manifest, and where its sections are. */
export interface Manifest {
  readonly bytes: Buffer;
  readonly view: DataView;
  readonly blockSize: number;
  readonly counts: Counts;
  readonly layout: Layout;
  readonly digest: Buffer;
}

/**
 * Reads the header, and checks that the bytes are whole: as long as the header says, and with the
 * digest that the trailer says.
 *
 * @throws ImageError NOT_AN_IMAGE, UNKNOWN_VERSION, CORRUPT, DIGEST_MISMATCH
 */
export function readManifest(input: Uint8Array): Manifest {
  const bytes = Buffer.from(input.buffer, input.byteOffset, input.byteLength);
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw new ImageError('NOT_AN_IMAGE', "this is no manifest: it does not begin with 'ROWFSIMG'");
  }
  if (bytes.length < HEADER_BYTES + DIGEST_BYTES) throw truncated(bytes.length);
  const version = bytes.readUInt32LE(Header.version);
  if (version !== FORMAT_VERSION) {
    throw new ImageError(
      'UNKNOWN_VERSION',
      `the manifest is of format ${version}, and only ${FORMAT_VERSION} is known here: use a newer rowfs`,
    );
  }
  const counts: Counts = {
    inodes: bytes.readUInt32LE(Header.inodes),
    entries: bytes.readUInt32LE(Header.entries),
    extents: bytes.readUInt32LE(Header.extents),
    digests: bytes.readUInt32LE(Header.digests),
    xattrSets: bytes.readUInt32LE(Header.xattrSets),
    xattrBytes: bytes.readUInt32LE(Header.xattrBytes),
    targetBytes: bytes.readUInt32LE(Header.targetBytes),
    nameBytes: bytes.readUInt32LE(Header.nameBytes),
  };
  const layout = layoutOf(counts);
  if (layout.end !== bytes.length) throw truncated(bytes.length, layout.end);
  const digest = bytes.subarray(layout.trailer);
  if (!digestOf(bytes.subarray(0, layout.trailer)).equals(digest)) {
    throw new ImageError(
      'DIGEST_MISMATCH',
      'the manifest is damaged: its digest is not the one it ends with; fetch or build it again',
    );
  }
  const blockSize = bytes.readUInt32LE(Header.blockSize);
  if (!isBlockSize(blockSize)) {
    throw new ImageError('CORRUPT', `the manifest is not valid: ${blockSize} is no block size`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { bytes, view, blockSize, counts, layout, digest };
}

function truncated(length: number, expected?: number): ImageError {
  const should = expected === undefined ? '' : ` instead of ${expected}`;
  return new ImageError(
    'CORRUPT',
    `the manifest is not whole: it has ${length} bytes${should}; fetch or build it again`,
  );
}
