import { ImageError } from './error.ts';
import type { Xattr } from './tree.ts';

const COUNT_BYTES = 2;
const NAME_LENGTH_BYTES = 2;
const VALUE_LENGTH_BYTES = 4;
/** Linux's XATTR_NAME_MAX. */
const MAX_XATTR_NAME_BYTES = 255;

/** The different sets of extended attributes of a tree: most inodes have none, and many share one. */
export class XattrSets {
  readonly #numbers = new Map<string, number>();
  readonly #encoded: Buffer[] = [];

  /** The number of this set: 0 is the empty set, the others count from 1 in order of first use. */
  add(xattrs: readonly Xattr[]): number {
    if (xattrs.length === 0) return 0;
    const encoded = encodeSet(xattrs);
    const key = encoded.toString('latin1');
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.#encoded.push(encoded);
      this.#numbers.set(key, number);
    }
    return number;
  }

  encode(): { offsets: number[]; data: Buffer } {
    let next = 0;
    const offsets = this.#encoded.map(({ length }) => (next += length) - length);
    return { offsets, data: Buffer.concat(this.#encoded) };
  }
}

function encodeSet(xattrs: readonly Xattr[]): Buffer {
  const sorted = xattrs.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const count = Buffer.alloc(COUNT_BYTES);
  count.writeUInt16LE(sorted.length);
  return Buffer.concat([
    count,
    ...sorted.flatMap(({ name, value }) => {
      if (name.length === 0 || name.length > MAX_XATTR_NAME_BYTES) {
        throw new ImageError('UNSUPPORTED', `'${name}' cannot be an extended attribute's name`);
      }
      const head = Buffer.alloc(NAME_LENGTH_BYTES + VALUE_LENGTH_BYTES);
      head.writeUInt16LE(name.length);
      head.writeUInt32LE(value.length, NAME_LENGTH_BYTES);
      return [head, Buffer.from(name, 'latin1'), value];
    }),
  ]);
}

/**
 * Decodes one set.
 *
 * @returns undefined when `bytes` are not exactly one set, with at least one attribute and the names
 *   in order.
 */
export function decodeXattrSet(bytes: Buffer): Xattr[] | undefined {
  if (bytes.length < COUNT_BYTES) return undefined;
  const count = bytes.readUInt16LE();
  const xattrs: Xattr[] = [];
  let at = COUNT_BYTES;
  let last = '';
  for (let i = 0; i < count; i += 1) {
    if (at + NAME_LENGTH_BYTES + VALUE_LENGTH_BYTES > bytes.length) return undefined;
    const nameLength = bytes.readUInt16LE(at);
    const valueLength = bytes.readUInt32LE(at + NAME_LENGTH_BYTES);
    at += NAME_LENGTH_BYTES + VALUE_LENGTH_BYTES;
    if (nameLength > MAX_XATTR_NAME_BYTES || at + nameLength + valueLength > bytes.length) {
      return undefined;
    }
    const name = bytes.toString('latin1', at, at + nameLength);
    at += nameLength;
    if (name <= last) return undefined;
    last = name;
    xattrs.push({ name, value: bytes.subarray(at, at + valueLength) });
    at += valueLength;
  }
  return count > 0 && at === bytes.length ? xattrs : undefined;
}
