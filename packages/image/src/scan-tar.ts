import type { Readable } from 'node:stream';
import { extract, type Header as TarHeader } from 'tar-stream';
import { ImageError } from './error.ts';
import { FileType, NANOSECONDS_PER_SECOND } from './format.ts';
import { ContentBuilder } from './read-blocks.ts';
import { isRecordedXattr } from './scan-directory.ts';
import {
  type Directory,
  type FileContent,
  type InodeFacts,
  type Timestamp,
  type TreeInode,
  type Xattr,
} from './tree.ts';

/** An entry's header: pax records are texts, and the reader has null where the archive has nothing. */
type Entry = Omit<TarHeader, 'pax' | 'linkname' | 'type'> & {
  readonly type: TarHeader['type'] | null;
  readonly linkname: string | null;
  readonly pax: Readonly<Record<string, string>> | null;
};

/** The reader's declaration does not know that names need not be UTF-8, though the reader does. */
const EXTRACT_OPTIONS: Parameters<typeof extract>[0] & { filenameEncoding: string } = {
  filenameEncoding: 'latin1',
};

/** What a directory is that the archive puts files into without having it. */
const UNMENTIONED: InodeFacts = {
  mode: 0o755,
  uid: 0,
  gid: 0,
  mtime: { seconds: 0, nseconds: 0 },
  xattrs: [],
};
const PERMISSION_BITS = 0o7777;
const LINK_MODE = 0o777;

/**
 * The tree that unpacking the archive would give: a later entry takes the place of an earlier one of
 * the same name.
 *
 * @param archive An uncompressed tar archive: ustar, GNU or pax.
 * @param onBytes Told how many bytes more of content are done.
 * @throws ImageError UNREADABLE, UNSUPPORTED (sparse entries, names out of the tree, attributes that
 *   cannot be read back byte for byte), ABORTED
 */
export async function scanTar(
  archive: Readable,
  {
    blockSize,
    onBytes,
    signal,
  }: { blockSize: number; onBytes: (bytes: number) => void; signal: AbortSignal | undefined },
): Promise<{ root: Directory; files: number; bytes: number }> {
  const tree = new UnpackedTree();
  const totals = { files: 0, bytes: 0 };
  const block = Buffer.alloc(blockSize);
  const count = (bytes: number): void => {
    if (signal?.aborted === true) throw new ImageError('ABORTED', 'the work was interrupted');
    onBytes(bytes);
  };
  const entries = extract(EXTRACT_OPTIONS);
  archive.once('error', (error) => entries.destroy(error));
  archive.pipe(entries);
  try {
    for await (const entry of entries) {
      count(0);
      const header = entry.header as Entry;
      checkReadable(header);
      const isFile = header.type === 'file' || header.type === 'contiguous-file';
      const content = await readContent(
        entry as unknown as AsyncIterable<Uint8Array>,
        block,
        count,
      );
      if (isFile) {
        totals.files += 1;
        totals.bytes += header.size;
      }
      tree.add(header, content);
    }
  } catch (error) {
    if (error instanceof ImageError) throw error;
    const { message } = error as Error;
    throw new ImageError('UNREADABLE', `this is no tar archive, or a damaged one: ${message}`, {
      cause: error,
    });
  } finally {
    archive.destroy();
  }
  return { root: tree.root, ...totals };
}

async function readContent(
  chunks: AsyncIterable<Uint8Array>,
  block: Buffer,
  onBytes: (bytes: number) => void,
): Promise<FileContent> {
  const content = new ContentBuilder();
  let number = 0;
  let filled = 0;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length;) {
      const length = Math.min(block.length - filled, chunk.length - at);
      block.set(chunk.subarray(at, at + length), filled);
      filled += length;
      at += length;
      if (filled < block.length) continue;
      content.addBytes(number, block);
      number += 1;
      filled = 0;
    }
    onBytes(chunk.length);
  }
  if (filled > 0) content.addBytes(number, block.subarray(0, filled));
  return content.build();
}

/** The tree as it is unpacked, entry after entry. */
class UnpackedTree {
  root: Directory = newDirectory(UNMENTIONED);

  add(header: Entry, content: FileContent): void {
    const names = namesOf(header);
    const last = names.at(-1);
    if (last === undefined) {
      if (header.type !== 'directory') throw unsupported(header, 'the root is no directory');
      this.root = { ...newDirectory(factsOf(header)), entries: this.root.entries };
      return;
    }
    const parent = this.#directory(names.slice(0, -1), header);
    const before = parent.entries.get(last);
    let inode: TreeInode;
    if (header.type === 'link') {
      inode = this.#linked(header);
    } else {
      inode = inodeOf(header, content);
      if (inode.type === FileType.DIR && before?.type === FileType.DIR) {
        inode = { ...inode, entries: before.entries };
      }
    }
    parent.entries.set(last, inode);
  }

  #directory(names: readonly string[], header: Entry): Directory {
    let directory = this.root;
    for (const name of names) {
      let next = directory.entries.get(name);
      if (next === undefined) {
        next = newDirectory(UNMENTIONED);
        directory.entries.set(name, next);
      }
      if (next.type !== FileType.DIR) throw unsupported(header, 'it is below a file');
      directory = next;
    }
    return directory;
  }

  #linked(header: Entry): TreeInode {
    let found: TreeInode | undefined = this.root;
    for (const name of split(header.linkname ?? '', header, 'linkpath')) {
      found = found?.type === FileType.DIR ? found.entries.get(name) : undefined;
    }
    if (found === undefined || found.type === FileType.DIR) {
      throw unsupported(
        header,
        `it is a hard link to '${header.linkname ?? ''}', which is no file before it`,
      );
    }
    return found;
  }
}

function newDirectory(facts: InodeFacts): Directory {
  return { ...facts, type: FileType.DIR, entries: new Map() };
}

function namesOf(header: Entry): string[] {
  return split(header.name, header, 'path');
}

/** @param key What a pax header would have said it with, as UTF-8. */
function split(path: string, header: Entry, key: string): string[] {
  const latin1 =
    header.pax?.[key] === undefined ? path : Buffer.from(path, 'utf8').toString('latin1');
  const names = latin1.split('/').filter((name) => name !== '' && name !== '.');
  if (names.includes('..')) throw unsupported(header, `the path '${path}' leads upwards`);
  return names;
}

function inodeOf(header: Entry, content: FileContent): TreeInode {
  const facts = factsOf(header);
  switch (header.type) {
    case 'file':
    case 'contiguous-file':
      return { ...facts, type: FileType.REG, size: header.size, content };
    case 'directory':
      return newDirectory(facts);
    case 'symlink':
      return {
        ...facts,
        type: FileType.LNK,
        mode: LINK_MODE,
        target:
          header.pax?.['linkpath'] === undefined
            ? (header.linkname ?? '')
            : Buffer.from(header.linkname ?? '', 'utf8').toString('latin1'),
      };
    case 'character-device':
    case 'block-device':
      return {
        ...facts,
        type: header.type === 'block-device' ? FileType.BLK : FileType.CHR,
        major: header.devmajor,
        minor: header.devminor,
      };
    case 'fifo':
      return { ...facts, type: FileType.FIFO };
    case 'link':
    case null:
      throw unsupported(header, 'it is of a kind that is not known here, such as a sparse file');
  }
}

function factsOf({ mode, uid, gid, mtime, pax }: Entry): InodeFacts {
  return {
    mode: mode & PERMISSION_BITS,
    uid: Number(pax?.['uid'] ?? uid),
    gid: Number(pax?.['gid'] ?? gid),
    mtime:
      pax?.['mtime'] === undefined
        ? { seconds: Math.floor(mtime.getTime() / 1000), nseconds: 0 }
        : decimalTime(pax['mtime']),
    xattrs: xattrsOf(pax ?? {}),
  };
}

/** A pax time: decimal seconds, with as many digits after the point as there are. */
function decimalTime(text: string): Timestamp {
  const groups = /^(?<sign>-?)(?<whole>\d+)(?:\.(?<fraction>\d*))?$/.exec(text)?.groups;
  const whole = Number(groups?.['whole']);
  if (!Number.isSafeInteger(whole)) {
    throw new ImageError('UNSUPPORTED', `the archive has the time '${text}', which is none`);
  }
  const ns = Number((groups?.['fraction'] ?? '').padEnd(9, '0').slice(0, 9));
  if (groups?.['sign'] !== '-') return { seconds: whole, nseconds: ns };
  return ns === 0
    ? { seconds: -whole, nseconds: 0 }
    : { seconds: -whole - 1, nseconds: NANOSECONDS_PER_SECOND - ns };
}

const XATTR_KEY = 'SCHILY.xattr.';

function xattrsOf(pax: Readonly<Record<string, string>>): Xattr[] {
  return Object.entries(pax)
    .filter(([key]) => key.startsWith(XATTR_KEY))
    .map(([key, text]) => ({ name: key.slice(XATTR_KEY.length), value: Buffer.from(text, 'utf8') }))
    .filter(({ name }) => isRecordedXattr(name));
}

/** What stands for bytes that are no UTF-8, after the reader of the archive took them for text. */
const REPLACEMENT = '\ufffd';

/** Refuses what would be lost without a word. */
function checkReadable(header: Entry): void {
  for (const [key, text] of Object.entries(header.pax ?? {})) {
    if (/^(?:GNU\.sparse|SCHILY\.acl|SUN\.holesdata|LIBARCHIVE\.xattr)/.test(key)) {
      throw unsupported(header, `its pax header ${key} is not understood`);
    }
    if (
      text.includes(REPLACEMENT) &&
      (key === 'path' || key === 'linkpath' || key.startsWith(XATTR_KEY))
    ) {
      throw unsupported(header, `its pax header ${key} holds bytes that are no UTF-8`);
    }
  }
}

function unsupported(header: Entry, why: string): ImageError {
  return new ImageError(
    'UNSUPPORTED',
    `the archive's entry '${header.name}' cannot be taken over: ${why}; unpack it, and build from the directory`,
  );
}
