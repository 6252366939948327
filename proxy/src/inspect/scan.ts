import { type Dirent, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Ftype3 } from '@rowfs/nfs3';
import type { Position } from '../shadow/cookies.ts';
import { decodeReply } from '../shadow/kept-replies.ts';
import { dataPath } from '../shadow/make-shadow.ts';
import { CHUNK_BYTES } from '../shadow/presence.ts';
import {
  decodeEntry,
  decodeId,
  decodeNode,
  type Entry,
  latin1,
  type Node,
  readEntryKey,
} from '../shadow/records.ts';
import { allocatedBytes } from '../shadow/shadow-file.ts';
import { contentsPath, shardNames } from '../shadow/shadow-files.ts';
import type { RecordReader } from '../store/record-reader.ts';
import type { Finding } from '../fsck/problem.ts';
import type { LowerPaths } from './lower-paths.ts';

/** A name that is recorded, with the key it is recorded under. */
export interface ScannedEntry extends Entry {
  readonly key: string;
  readonly directory: number;
  readonly position: Position;
  readonly name: string;
}

export interface ScannedChunk {
  readonly key: string;
  readonly index: number;
  readonly bits: Uint8Array;
}

/** A file below `data`. */
export interface ScannedFile {
  readonly path: string;
  readonly size: number;
  /** What it takes of the disk. */
  readonly diskBytes: number;
}

/** Everything that a shadow has, read once and decoded. */
export interface Scan {
  readonly directory: string;
  readonly records: RecordReader;
  readonly nodes: ReadonlyMap<number, Node>;
  readonly entries: readonly ScannedEntry[];
  /** Entries that name a node, by its id. */
  readonly namesOf: ReadonlyMap<number, readonly ScannedEntry[]>;
  /** Entries of a directory, by its id and their names. */
  readonly entriesOf: ReadonlyMap<number, ReadonlyMap<string, ScannedEntry>>;
  /** Node ids by handle in the lower; 0 for a removed object. */
  readonly lowers: ReadonlyMap<string, number>;
  readonly presence: ReadonlyMap<number, readonly ScannedChunk[]>;
  readonly contents: ReadonlyMap<number, ScannedFile>;
  /** Undefined when it is not known where objects of the image are. */
  readonly paths: LowerPaths | undefined;
  /** What could not even be read. */
  readonly findings: readonly Finding[];
}

const ID_BYTES = 6;
const ENTRY_KEY_BYTES = 1 + ID_BYTES + 8;
const TABLES = 'nleprmNCLM';

/** Reads all records and lists all contents of the shadow in `directory`. */
export function scan(
  directory: string,
  records: RecordReader,
  paths: LowerPaths | undefined,
): Scan {
  const findings: Finding[] = [];
  const nodes = new Map<number, Node>();
  const entries: ScannedEntry[] = [];
  const lowers = new Map<string, number>();
  const presence = new Map<number, ScannedChunk[]>();
  const bad = (key: Buffer, why: string): void => {
    findings.push({ code: 'BAD_RECORD', what: `the record ${key.toString('hex')} ${why}` });
  };
  for (const { key, value } of records.range('')) {
    const table = String.fromCharCode(key[0] ?? 0);
    if (!TABLES.includes(table)) bad(key, 'is of no table');
    else if (table === 'n') {
      const node = key.length === 1 + ID_BYTES ? nodeOf(key, value) : undefined;
      if (node === undefined) bad(key, 'is no node that can be read');
      else nodes.set(node.id, node);
    } else if (table === 'l') {
      if (value.length === ID_BYTES) lowers.set(latin1(key.subarray(1)), decodeId(value));
      else bad(key, 'names no node for an object of the image');
    } else if (table === 'e') {
      if (key.length <= ENTRY_KEY_BYTES || value.length !== ID_BYTES + 1)
        bad(key, 'is no name that can be read');
      else {
        const at = { key: latin1(key), directory: key.readUIntBE(1, ID_BYTES) };
        entries.push({ ...at, ...readEntryKey(key), ...decodeEntry(value) });
      }
    } else if (table === 'p') {
      if (key.length !== 1 + ID_BYTES + 4 || value.length > CHUNK_BYTES)
        bad(key, 'has presence bits that cannot be read');
      else {
        const chunk = { key: latin1(key), index: key.readUInt32BE(1 + ID_BYTES), bits: value };
        append(presence, key.readUIntBE(1, ID_BYTES), chunk);
      }
    } else if (table === 'r' && decodeReply(key, value) === undefined)
      bad(key, 'is no reply that can be read');
  }
  const namesOf = new Map<number, ScannedEntry[]>();
  const entriesOf = new Map<number, Map<string, ScannedEntry>>();
  for (const entry of entries) {
    const siblings = entriesOf.get(entry.directory) ?? new Map<string, ScannedEntry>();
    entriesOf.set(entry.directory, siblings.set(entry.name, entry));
    if (entry.id !== 0) append(namesOf, entry.id, entry);
  }
  const contents = scanContents(dataPath(directory), findings);
  const known = { nodes, entries, namesOf, entriesOf, lowers, presence, contents, paths };
  return { directory, records, findings, ...known };
}

const TYPES = new Set<number>(Object.values(Ftype3));

function nodeOf(key: Buffer, value: Buffer): Node | undefined {
  try {
    const node = decodeNode(key.readUIntBE(1, ID_BYTES), value);
    const isSane = TYPES.has(node.type) && isCount(node.size) && isCount(node.lowerLimit);
    return isSane && isCount(node.used) ? node : undefined;
  } catch {
    return undefined;
  }
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function scanContents(root: string, findings: Finding[]): Map<number, ScannedFile> {
  const contents = new Map<number, ScannedFile>();
  const shards = new Set(shardNames());
  const found = new Set(list(root).map(({ name }) => name));
  for (const name of found) {
    if (shards.has(name)) continue;
    findings.push({
      code: 'UNKNOWN_FILE',
      what: `${join(root, name)} is none of the shadow's files`,
    });
  }
  for (const name of shards) {
    const shard = join(root, name);
    if (!found.has(name)) {
      const what = `the directory ${shard} is missing`;
      findings.push({ code: 'UNKNOWN_FILE', what, mend: { makeDirectory: shard } });
      continue;
    }
    for (const file of list(shard)) {
      const path = join(shard, file.name);
      const id = Number.parseInt(file.name, 16);
      if (file.isFile() && path === contentsPath(root, id)) {
        const stats = statSync(path, { throwIfNoEntry: false });
        // A proxy that runs may have removed it just now.
        if (stats !== undefined)
          contents.set(id, { path, size: stats.size, diskBytes: allocatedBytes(stats) });
      } else findings.push({ code: 'UNKNOWN_FILE', what: `${path} is none of the shadow's files` });
    }
  }
  return contents;
}

function list(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

export function append<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const values = map.get(key);
  if (values === undefined) map.set(key, [value]);
  else values.push(value);
}
