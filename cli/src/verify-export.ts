import { RESERVED_NAME } from '@rowfs/image';
import { connectNfs3, listDirectory, type Nfs3Context, Nfsstat3, nfsstat3Name } from '@rowfs/nfs3';
import { formatServerAddress, type ServerAddress } from '@rowfs/registry';
import { CliError, lineOf } from './errors.ts';
import { rootCredential } from './root-credential.ts';

/** Longer, and a server counts as not answering. */
const TIMEOUT_MS = 5000;
/** Entries that are compared between servers: enough to tell versions apart, few enough to be quick. */
const MAX_COMPARED_ENTRIES = 2000;

/**
 * Mounts an export over NFS, lists its root and reads a file's first bytes.
 *
 * @throws CliError SERVER_UNUSABLE with what the server answered.
 */
export async function verifyExport(server: ServerAddress): Promise<void> {
  await visit(server, 1, () => undefined);
}

/**
 * Whether all servers show the same tree: names, kinds, modes and sizes of the first entries, breadth
 * first. Resolves to the first server that differs, with the first difference.
 */
export async function sameTree(
  servers: readonly ServerAddress[],
): Promise<{ server: ServerAddress; difference: string } | undefined> {
  const [first, ...others] = await Promise.all(servers.map(describe));
  if (first === undefined) return undefined;
  for (const [index, other] of others.entries()) {
    const difference = firstDifference(first, other);
    const server = servers[index + 1];
    if (difference !== undefined && server !== undefined) return { server, difference };
  }
  return undefined;
}

async function describe(server: ServerAddress): Promise<Map<string, string>> {
  const entries = new Map<string, string>();
  await visit(server, MAX_COMPARED_ENTRIES, (path, what) => void entries.set(path, what));
  return entries;
}

function firstDifference(a: Map<string, string>, b: Map<string, string>): string | undefined {
  for (const path of new Set([...a.keys(), ...b.keys()])) {
    if (a.get(path) !== b.get(path)) {
      return `${path} is ${b.get(path) ?? 'missing'} there and ${a.get(path) ?? 'missing'} here`;
    }
  }
  return undefined;
}

/** Walks an export breadth first, up to `limit` entries, in the order of their names. */
async function visit(
  server: ServerAddress,
  limit: number,
  see: (path: string, what: string) => void,
): Promise<void> {
  const { host, port, mountPort, exportPath } = server;
  const ctx: Nfs3Context = {
    credential: rootCredential,
    signal: AbortSignal.timeout(2 * TIMEOUT_MS),
    peer: { address: host, port },
  };
  const service = connectNfs3({
    host,
    port,
    ...(mountPort === undefined ? {} : { mountPort }),
    timeoutMs: TIMEOUT_MS,
    // Nobody listens there: to be said at once.
    maxFailedConnections: 1,
  });
  try {
    const mounted = await service.mount(exportPath, ctx);
    if (mounted.status !== 0) {
      throw new CliError(
        'SERVER_UNUSABLE',
        `${formatServerAddress(server)} refuses to mount it: ${nfsstat3Name(mounted.status)}`,
      );
    }
    const queue = [{ handle: mounted.handle, path: '' }];
    let left = limit;
    for (let next = queue.shift(); next !== undefined && left > 0; next = queue.shift()) {
      const entries = await Array.fromAsync(listDirectory(service, next.handle, ctx));
      entries.sort((a, b) => (a.name < b.name ? -1 : 1));
      for (const { name, nameHandle, nameAttributes } of entries) {
        // Each server's copy may have been described by itself.
        if (next.path === '' && name === RESERVED_NAME) continue;
        if ((left -= 1) < 0) break;
        const path = `${next.path}/${name}`;
        if (nameAttributes === undefined || nameHandle === undefined) {
          see(path, 'there');
          continue;
        }
        const { type, mode, size } = nameAttributes;
        // Sizes of directories are a file system's own matter.
        see(
          path,
          type === 2
            ? `a directory of mode ${mode.toString(8)}`
            : `of type ${type}, mode ${mode.toString(8)}, ${size} bytes`,
        );
        if (type === 2) queue.push({ handle: nameHandle, path });
        if (type === 1) await readSome(service, nameHandle, path, ctx);
      }
    }
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(
      'SERVER_UNUSABLE',
      `${formatServerAddress(server)} does not answer as an NFSv3 server: ${lineOf(error)}`,
      { cause: error },
    );
  } finally {
    await service.close();
  }
}

async function readSome(
  service: ReturnType<typeof connectNfs3>,
  file: Uint8Array,
  path: string,
  ctx: Nfs3Context,
): Promise<void> {
  const result = await service.read({ file, offset: 0, count: 4096 }, ctx);
  if (result.status !== Nfsstat3.OK) {
    throw new CliError(
      'SERVER_UNUSABLE',
      `READ of ${path} is refused: ${nfsstat3Name(result.status)}`,
    );
  }
}
