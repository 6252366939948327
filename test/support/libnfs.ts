/** The libnfs tools as unmodified user-level NFSv3 clients: nfs-ls, nfs-cat, nfs-cp. */
import { execa } from 'execa';
import type { NfsServerAddress } from './nfs-server-address.ts';

export type ListedFile = {
  /** As `ls -l` writes it, e.g. `-rw-r--r--`. */
  readonly mode: string;
  readonly links: number;
  readonly size: number;
  /** Relative to the listed directory. */
  readonly name: string;
};

/** The URL of `path` (absolute, export path included) for the libnfs tools. */
export function nfsUrl(server: NfsServerAddress, path: string): string {
  return `nfs://${server.host}${path}?nfsport=${server.nfsPort}&mountport=${server.mountPort}&version=3`;
}

/** Lists one directory. */
export async function nfsLs(server: NfsServerAddress, directory: string): Promise<ListedFile[]> {
  const { stdout } = await execa('nfs-ls', [nfsUrl(server, directory)]);
  return stdout.split('\n').flatMap((line) => {
    // -rw-r--r--  1     0     0         1234 name
    const fields = /^(\S{10})\s+(\d+)\s+\d+\s+\d+\s+(\d+) (.+)$/.exec(line);
    if (fields === null) return [];
    const [, mode = '', links, size, name = ''] = fields;
    return [{ mode, links: Number(links), size: Number(size), name }];
  });
}

/** The content of a file. */
export async function nfsCat(server: NfsServerAddress, file: string): Promise<Uint8Array> {
  const { stdout } = await execa('nfs-cat', [nfsUrl(server, file)], { encoding: 'buffer' });
  return stdout;
}

/** Copies a local file to `file` on the server, where it must not exist yet. */
export async function nfsCopyTo(
  server: NfsServerAddress,
  local: string,
  file: string,
): Promise<void> {
  await execa('nfs-cp', [local, nfsUrl(server, file)]);
}

/** Copies `file` from the server to a local file, which must not exist yet. */
export async function nfsCopyFrom(
  server: NfsServerAddress,
  file: string,
  local: string,
): Promise<void> {
  await execa('nfs-cp', [nfsUrl(server, file), local]);
}
