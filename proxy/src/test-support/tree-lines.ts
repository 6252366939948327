import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { Ftype3, Nfsstat3 } from '@rowfs/nfs3';
import { testContext as ctx } from './image-servers.ts';
import type { PathClient } from './path-client.ts';

/** What one object of a tree is, names of one file told together. */
interface Described {
  readonly path: string;
  readonly type: string;
  readonly mode: number;
  readonly owner: string;
  /** Seconds and nanoseconds. */
  readonly mtime: string;
  readonly links: number;
  /** Contents, target, or device. */
  readonly holds: string;
  readonly fileid: bigint;
}

/** A line for each object below a directory of this machine: all that a tar should carry over. */
export function linesOfDirectory(root: string): string[] {
  const described: Described[] = [];
  const visit = (path: string): void => {
    const at = Buffer.concat([Buffer.from(root), Buffer.from(path, 'latin1')]);
    const stats = lstatSync(at, { bigint: true });
    const type = (Number(stats.mode) & 0o170000).toString(8);
    described.push({
      path,
      type: LOCAL_TYPES[type] ?? type,
      mode: Number(stats.mode) & 0o7777,
      owner: `${stats.uid}:${stats.gid}`,
      mtime: `${stats.mtimeNs / 1_000_000_000n}.${stats.mtimeNs % 1_000_000_000n}`,
      links: stats.isDirectory() ? 0 : Number(stats.nlink),
      holds: stats.isFile()
        ? digest(readFileSync(at))
        : stats.isSymbolicLink()
          ? readlinkSync(at, { encoding: 'buffer' }).toString('latin1')
          : '',
      fileid: stats.ino,
    });
    if (!stats.isDirectory()) return;
    for (const name of readdirSync(at, { encoding: 'latin1' })) visit(`${path}/${name}`);
  };
  visit('');
  return linesOf(described);
}

/** The same of a tree that is served. */
export async function linesOfClient(client: PathClient): Promise<string[]> {
  const described: Described[] = [];
  const visit = async (path: string): Promise<void> => {
    const attributes = await client.attributes(path);
    const { type, mode, uid, gid, mtime, nlink, fileid } = attributes;
    let holds = '';
    if (type === Ftype3.REG) holds = digest(await client.read(path));
    else if (type === Ftype3.LNK) {
      const read = await client.service.readlink({ symlink: await client.handle(path) }, ctx);
      holds = read.status === Nfsstat3.OK ? read.data : `status ${read.status}`;
    }
    described.push({
      path,
      type: SERVED_TYPES[type] ?? String(type),
      mode,
      owner: `${uid}:${gid}`,
      mtime: `${mtime.seconds}.${mtime.nseconds}`,
      links: type === Ftype3.DIR ? 0 : nlink,
      holds,
      fileid,
    });
    if (type !== Ftype3.DIR) return;
    for (const name of await client.names(path)) await visit(`${path}/${name}`);
  };
  await visit('');
  return linesOf(described);
}

const LOCAL_TYPES: Readonly<Record<string, string>> = {
  '100000': 'file',
  '40000': 'directory',
  '120000': 'symlink',
  '10000': 'fifo',
  '140000': 'socket',
};
const SERVED_TYPES: Partial<Record<Ftype3, string>> = {
  [Ftype3.REG]: 'file',
  [Ftype3.DIR]: 'directory',
  [Ftype3.LNK]: 'symlink',
  [Ftype3.FIFO]: 'fifo',
  [Ftype3.SOCK]: 'socket',
};

function linesOf(described: Described[]): string[] {
  described.sort((a, b) => (a.path < b.path ? -1 : 1));
  const first = new Map<bigint, string>();
  return described.map(({ path, type, mode, owner, mtime, links, holds, fileid }) => {
    if (links > 1 && !first.has(fileid)) first.set(fileid, path);
    const linked = links > 1 ? ` ${links} links with ${first.get(fileid) ?? ''}` : '';
    return `${path === '' ? '/' : path} ${type} ${mode.toString(8)} ${owner} ${mtime}${linked} ${holds}`;
  });
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 16);
}
