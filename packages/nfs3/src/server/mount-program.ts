import type { RpcContext, RpcProcedure, RpcProgram } from '@rowfs/oncrpc';
import type { Logger } from 'pino';
import type { MountResult } from '../mount/mnt.ts';
import type { MountTable } from '../mount/mount-table.ts';
import { mountProcedures } from '../mount/table.ts';
import type { Dirpath } from '../mount/types.ts';
import type { ProcedureCodec } from '../procedures/procedure.ts';
import { MOUNT3_PROGRAM } from '../programs.ts';
import type { Nfs3Service } from '../service.ts';
import { Mountstat3, type Mountstat3Error, Nfsstat3 } from '../status.ts';
import { isPlainDirpath, normalizeDirpath, pathBelow } from './export-path.ts';
import { statusOfError } from './status-of-error.ts';

export interface MountProgramOptions {
  readonly service: Pick<Nfs3Service, 'mount'>;
  /**
   * Paths under which the root of the service is mounted. What follows in a client's path is asked
   * of the service: with `/vm`, `/vm/etc` mounts its `/etc`. The longest that fits is taken.
   */
  readonly exports: readonly Dirpath[];
  readonly mountTable: MountTable;
  readonly logger: Logger;
}

/**
 * The MOUNT program, version 3 (RFC 1813 appendix I). Everybody may mount, under AUTH_NONE too:
 * boot loaders bring no credential.
 */
export function mountProgram(options: MountProgramOptions): RpcProgram {
  const { service, mountTable, logger } = options;
  const exports = [...new Set(options.exports.map(normalizeDirpath))];
  const longestFirst = exports.toSorted((a, b) => b.length - a.length);

  const resolve = (dirpath: Dirpath): Dirpath | undefined => {
    for (const exported of longestFirst) {
      const below = pathBelow(exported, normalizeDirpath(dirpath));
      if (below !== undefined) return below;
    }
    return undefined;
  };

  const mount = async (dirpath: Dirpath, ctx: RpcContext): Promise<MountResult> => {
    if (!isPlainDirpath(dirpath)) return { status: Mountstat3.INVAL };
    const below = resolve(dirpath);
    if (below === undefined) return { status: Mountstat3.NOENT };
    try {
      const result = await service.mount(below, ctx);
      if (result.status === Mountstat3.OK) await mountTable.add(entryOf(dirpath, ctx));
      return result;
    } catch (error) {
      logger.error({ err: error, dirpath }, 'MNT failed');
      return { status: mountstatOfError(error) };
    }
  };

  const { mnt, dump, umnt, umntall, export: exportList } = mountProcedures;
  const procedures = [
    rpcProcedure('MNT', mnt, mount),
    rpcProcedure('DUMP', dump, () => mountTable.list()),
    rpcProcedure('UMNT', umnt, (dirpath, ctx) => mountTable.remove(entryOf(dirpath, ctx))),
    rpcProcedure('UMNTALL', umntall, (_, ctx) => mountTable.removeAll(ctx.peer.address)),
    rpcProcedure('EXPORT', exportList, async () =>
      exports.map((directory) => ({ directory, groups: [] })),
    ),
  ];
  return { ...MOUNT3_PROGRAM, name: 'MOUNT', procedures: new Map(procedures) };
}

function mountstatOfError(error: unknown): Mountstat3Error {
  const status = statusOfError(error);
  if (status === Nfsstat3.ACCES) return Mountstat3.ACCES;
  // MOUNT has no status for "come back later"; clients take IO for what may pass.
  return status === Nfsstat3.JUKEBOX ? Mountstat3.IO : Mountstat3.SERVERFAULT;
}

function entryOf(dirpath: Dirpath, ctx: RpcContext): { hostname: string; directory: Dirpath } {
  return { hostname: ctx.peer.address, directory: normalizeDirpath(dirpath) };
}

function rpcProcedure<Args, Res>(
  name: string,
  codec: ProcedureCodec<Args, Res>,
  answer: (args: Args, ctx: RpcContext) => Promise<Res>,
): [number, RpcProcedure] {
  const procedure: RpcProcedure = {
    name,
    cacheable: !codec.idempotent,
    auth: 'any',
    async call(reader, ctx) {
      const args = codec.readArgs(reader);
      reader.end();
      const result = await answer(args, ctx);
      return (writer) => codec.writeResult(writer, result);
    },
  };
  return [codec.number, procedure];
}
