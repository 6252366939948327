import type { Filename } from '@rowfs/nfs3';
import type { NodeId } from './node-handle.ts';

/** A name of a node in a directory. */
export interface NodeName {
  readonly parent: NodeId;
  readonly name: Filename;
}

/** What tells a file with several names from most others, on any replica of the tree. */
export interface LinkedFile {
  readonly nlink: number;
  /** Bytes. */
  readonly size: number;
}

/*
 * Records of the path table, by the first byte of their key, in capitals because the store is the
 * shadow's too; ids have 6 bytes, big-endian:
 *
 *     N <node>          its names, each parent:6 length:2 name
 *     C <parent> <name> the node of that name: id
 *     L <node>          only files of several names: JSON of LinkedFile
 *     M <name>          the table's own facts
 */
export const NAMES_TABLE = 'N';
export const CHILD_TABLE = 'C';
export const LINKED_TABLE = 'L';
export const TABLE_ID_KEY = 'Mid';
export const RESERVED_KEY = 'Mreserved';
const ID_BYTES = 6;
const LENGTH_BYTES = 2;

export const namesKey = (node: NodeId): string => NAMES_TABLE + idText(node);
export const linkedKey = (node: NodeId): string => LINKED_TABLE + idText(node);
export const childKey = (parent: NodeId, name: Filename): string =>
  CHILD_TABLE + idText(parent) + name;

export function encodeNodeId(node: NodeId): Buffer {
  const bytes = Buffer.alloc(ID_BYTES);
  bytes.writeUIntBE(node, 0, ID_BYTES);
  return bytes;
}

export const decodeNodeId = (bytes: Buffer): NodeId => bytes.readUIntBE(0, ID_BYTES);
/** The node of a key that ends with it, or that goes on with a name. */
export const nodeOfKey = (key: Buffer): NodeId => key.readUIntBE(1, ID_BYTES);
export const nameOfKey = (key: Buffer): Filename => key.toString('latin1', 1 + ID_BYTES);

export function encodeNames(names: readonly NodeName[]): Buffer {
  const length = names.reduce((sum, { name }) => sum + ID_BYTES + LENGTH_BYTES + name.length, 0);
  const bytes = Buffer.allocUnsafe(length);
  let at = 0;
  for (const { parent, name } of names) {
    bytes.writeUIntBE(parent, at, ID_BYTES);
    bytes.writeUInt16BE(name.length, at + ID_BYTES);
    at += ID_BYTES + LENGTH_BYTES;
    at += bytes.write(name, at, 'latin1');
  }
  return bytes;
}

export function decodeNames(bytes: Buffer): readonly NodeName[] {
  const names: NodeName[] = [];
  for (let at = 0; at < bytes.length;) {
    const parent = bytes.readUIntBE(at, ID_BYTES);
    const start = at + ID_BYTES + LENGTH_BYTES;
    at = start + bytes.readUInt16BE(at + ID_BYTES);
    names.push({ parent, name: bytes.toString('latin1', start, at) });
  }
  return names;
}

export const encodeLinked = (linked: LinkedFile): Buffer => Buffer.from(JSON.stringify(linked));
export const decodeLinked = (bytes: Buffer): LinkedFile =>
  JSON.parse(bytes.toString()) as LinkedFile;

function idText(node: NodeId): string {
  return encodeNodeId(node).toString('latin1');
}
