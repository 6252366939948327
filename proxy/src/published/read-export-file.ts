import {
  type Fattr3,
  type Filehandle,
  Ftype3,
  Mountstat3,
  Nfs3Error,
  type Nfs3Context,
  type Nfs3Service,
  Nfsstat3,
  pathNames,
  walk,
} from '@rowfs/nfs3';
import type { OpenServer } from '../failover/replica.ts';
import { type ImageServer, serverAddress } from '../locator.ts';
import { messageOf, ProxyError } from '../proxy-error.ts';
import { ROOT_CREDENTIAL } from '../root-credential.ts';

/** One READ's bytes: small enough that the first answers come soon on a slow link. */
const CHUNK_BYTES = 128 * 1024;
/** Enough to fill 1 Gbit/s at 30 ms. */
const READS_IN_FLIGHT = 32;

/** In bytes: that of a published file, or a bound. What has another size is refused before it is read. */
export type AcceptedSize = { readonly published: number } | { readonly atMost: number };

export interface ReadExportFileOptions {
  readonly server: ImageServer;
  readonly openServer: OpenServer;
  /** From the root of the export. */
  readonly path: string;
  readonly size: AcceptedSize;
  readonly signal: AbortSignal;
  /** Called when some of it came. */
  readonly onProgress?: () => void;
}

/**
 * Reads a file of a server's export whole, with many READs under way.
 *
 * @throws ProxyError NOT_AS_PUBLISHED for another size than was published; EXPORT_UNREADABLE, naming the
 *   server and what it answered
 */
export async function readExportFile(options: ReadExportFileOptions): Promise<Buffer> {
  const { server, openServer, path, signal } = options;
  const service = openServer(server);
  const ctx: Nfs3Context = {
    credential: ROOT_CREDENTIAL,
    signal,
    peer: { address: server.host, port: server.port ?? 0 },
  };
  try {
    const { file, size } = await find(service, server.export, path, ctx);
    checkSize(size, path, options.size);
    return await readWhole(service, file, size, ctx, options.onProgress ?? (() => undefined));
  } catch (error) {
    if (error instanceof ProxyError && error.code === 'NOT_AS_PUBLISHED') throw error;
    throw new ProxyError(
      'EXPORT_UNREADABLE',
      `${serverAddress(server)} does not give ${path}: ${messageOf(error)}`,
      { cause: error },
    );
  } finally {
    await service.close();
  }
}

function checkSize(claimed: number, path: string, accepted: AcceptedSize): void {
  if ('published' in accepted) {
    if (claimed === accepted.published) return;
    throw notAsPublished(path, `it claims ${claimed} bytes, and not ${accepted.published}`);
  }
  if (claimed <= accepted.atMost) return;
  throw new Error(`it claims ${claimed} bytes, where ${accepted.atMost} are the most that is read`);
}

export function notAsPublished(path: string, reason: string, cause?: unknown): ProxyError {
  return new ProxyError('NOT_AS_PUBLISHED', `its ${path} is not the published one: ${reason}`, {
    cause,
  });
}

async function find(
  service: Nfs3Service,
  exportPath: string,
  path: string,
  ctx: Nfs3Context,
): Promise<{ file: Filehandle; size: number }> {
  const mounted = await service.mount(exportPath, ctx);
  if (mounted.status !== Mountstat3.OK) throw new Nfs3Error(mounted.status, 'MNT');
  const found = await walk(service, mounted.handle, pathNames(path), ctx);
  if (found.status !== Nfsstat3.OK) throw new Nfs3Error(found.status, 'LOOKUP');
  const { type, size } = found.objAttributes ?? (await attributesOf(service, found.object, ctx));
  if (type !== Ftype3.REG) throw new Error('it is no regular file');
  return { file: found.object, size };
}

async function attributesOf(
  service: Nfs3Service,
  object: Filehandle,
  ctx: Nfs3Context,
): Promise<Fattr3> {
  const result = await service.getattr({ object }, ctx);
  if (result.status !== Nfsstat3.OK) throw new Nfs3Error(result.status, 'GETATTR');
  return result.attributes;
}

/** Chunk by chunk, several at a time; a server may answer with less than it was asked for. */
async function readWhole(
  service: Nfs3Service,
  file: Filehandle,
  size: number,
  ctx: Nfs3Context,
  onProgress: () => void,
): Promise<Buffer> {
  const content = Buffer.allocUnsafeSlow(size);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < size) {
      let at = next;
      const end = (next = Math.min(at + CHUNK_BYTES, size));
      while (at < end) {
        const result = await service.read({ file, offset: at, count: end - at }, ctx);
        if (result.status !== Nfsstat3.OK) throw new Nfs3Error(result.status, `READ at ${at}`);
        if (result.count === 0) throw new Error(`it ends at ${at}, before its ${size} bytes`);
        for (const piece of result.data) {
          content.set(piece, at);
          at += piece.length;
        }
        onProgress();
      }
    }
  };
  await Promise.all(Array.from({ length: READS_IN_FLIGHT }, worker));
  return content;
}
