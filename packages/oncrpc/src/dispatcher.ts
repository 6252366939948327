import { crc32 } from 'node:zlib';
import { XdrError, XdrReader, XdrWriter } from '@rowfs/xdr';
import type { Logger } from 'pino';
import type { Credential } from './auth.ts';
import type { DuplicateRequestCache } from './duplicate-request-cache.ts';
import {
  type CallHeader,
  readCallHeader,
  readCallXid,
  type ReplyOutcome,
  writeReplyHeader,
} from './message.ts';
import type { Peer } from './address.ts';
import type { RpcProcedure, RpcProgram, WriteResults } from './program.ts';
import type { RecordEncoder, RpcRecord } from './record-marking.ts';
import type { ReplyLifetime } from './reply-lifetime.ts';

/** Where a call came from, and what ends its work. */
export interface CallSource {
  readonly peer: Peer;
  /** Fires when the connection is gone: nobody waits for the results there. */
  readonly connectionSignal: AbortSignal;
  /** Fires when the server closes. */
  readonly serverSignal: AbortSignal;
}

type Resolution =
  | { readonly kind: 'procedure'; readonly program: RpcProgram; readonly procedure: RpcProcedure }
  | { readonly kind: 'answer'; readonly outcome: ReplyOutcome };

const SUCCESS: ReplyOutcome = { status: 'SUCCESS' };
const NULL_PROCEDURE = 0;
const SCRATCH_BYTES = 4096;

/** Turns call records into reply records: everything of a server but the transport. */
export class Dispatcher {
  readonly #programs = new Map<number, Map<number, RpcProgram>>();
  readonly #cache: DuplicateRequestCache;
  readonly #logger: Logger;
  /** Where replies to be kept are written, each copied out at once. */
  readonly #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);

  constructor(programs: readonly RpcProgram[], cache: DuplicateRequestCache, logger: Logger) {
    for (const program of programs) {
      const versions = this.#programs.get(program.program) ?? new Map<number, RpcProgram>();
      if (versions.has(program.version)) {
        throw new TypeError(`program ${program.program} version ${program.version} is given twice`);
      }
      versions.set(program.version, program);
      this.#programs.set(program.program, versions);
    }
    this.#cache = cache;
    this.#logger = logger;
  }

  /**
   * Answers one call.
   *
   * @param lifetime The caller ends it when the reply was sent, or when there is none to be sent.
   * @returns the reply, or undefined when the call was sent again and is answered there.
   * @throws XdrError when the record is no call: there is no xid to answer.
   */
  async answer(
    record: RpcRecord,
    source: CallSource,
    encoder: RecordEncoder,
    lifetime: ReplyLifetime,
  ): Promise<RpcRecord | undefined> {
    const reader = new XdrReader(record);
    const xid = readCallXid(reader);
    const call = readCallHeader(reader);
    if (!call.ok) return encodeOutcome(encoder, xid, call.outcome);
    const resolution = this.#resolve(call.header);
    if (resolution.kind === 'answer') return encodeOutcome(encoder, xid, resolution.outcome);
    const { procedure } = resolution;
    try {
      if (procedure.cacheable) {
        return await this.#answerOnce(xid, call.header, procedure, reader, source, encoder);
      }
      const context = {
        credential: call.header.credential,
        signal: source.connectionSignal,
        peer: source.peer,
        reply: lifetime,
      };
      const writeResults = await procedure.call(reader, context);
      return encoder.encode((writer) => writeSuccess(writer, xid, writeResults));
    } catch (error) {
      return encodeOutcome(encoder, xid, this.#outcomeOf(error, resolution, source.peer));
    }
  }

  #resolve({ program, version, procedure, credential }: CallHeader): Resolution {
    const versions = this.#programs.get(program);
    if (versions === undefined) return answer({ status: 'PROG_UNAVAIL' });
    const found = versions.get(version);
    if (found === undefined) {
      const known = [...versions.keys()];
      const [low, high] = [Math.min(...known), Math.max(...known)];
      return answer({ status: 'PROG_MISMATCH', low, high });
    }
    if (procedure === NULL_PROCEDURE) return answer(SUCCESS);
    const called = found.procedures.get(procedure);
    if (called === undefined) return answer({ status: 'PROC_UNAVAIL' });
    if (called.auth === 'sys' && credential.flavor !== 'sys') {
      return answer({ status: 'AUTH_ERROR', authStat: 'AUTH_TOOWEAK' });
    }
    return { kind: 'procedure', program: found, procedure: called };
  }

  async #answerOnce(
    xid: number,
    header: CallHeader,
    procedure: RpcProcedure,
    reader: XdrReader,
    { peer, serverSignal }: CallSource,
    encoder: RecordEncoder,
  ): Promise<RpcRecord | undefined> {
    const args = reader.rest();
    const duplicateRequestKey = cacheKey(xid, header, args, peer);
    const reply = await this.#cache.reply(duplicateRequestKey, async () => {
      const { credential } = header;
      const context = { credential, signal: serverSignal, peer, duplicateRequestKey };
      const writeResults = await procedure.call(new XdrReader(args), context);
      const writer = new XdrWriter(this.#scratch);
      writeSuccess(writer, xid, writeResults);
      // A copy of its own: a kept reply must not keep payloads and slabs alive.
      return Buffer.concat(writer.finish());
    });
    if (reply === undefined) return undefined;
    return encoder.encode((writer) => writer.fixedOpaque(reply));
  }

  #outcomeOf(error: unknown, { program, procedure }: Called, peer: Peer): ReplyOutcome {
    const call = { program: program.name, procedure: procedure.name, peer };
    if (error instanceof XdrError) {
      this.#logger.debug({ ...call, err: error }, 'arguments refused');
      return { status: 'GARBAGE_ARGS' };
    }
    this.#logger.error({ ...call, err: error }, 'procedure failed unexpectedly');
    return { status: 'SYSTEM_ERR' };
  }
}

type Called = Extract<Resolution, { kind: 'procedure' }>;

/**
 * What makes two calls the same call sent twice. The port is left out, for a client comes back
 * from another one. Clients behind one address have colliding xids, so who asks and for what is
 * part of it; the credential's stamp is not, since some clients make a new one for each sending.
 */
function cacheKey(
  xid: number,
  header: CallHeader,
  args: readonly Uint8Array[],
  peer: Peer,
): string {
  let checksum = 0;
  let length = 0;
  for (const piece of args) {
    checksum = crc32(piece, checksum);
    length += piece.length;
  }
  const { program, version, procedure, credential } = header;
  const call = `${peer.address} ${xid} ${program}.${version}.${procedure} ${length}:${checksum}`;
  return `${call} ${describeCredential(credential)}`;
}

function describeCredential(credential: Credential): string {
  if (credential.flavor === 'none') return '';
  return `${credential.uid}:${credential.gid}:${credential.gids.join()}@${credential.machinename}`;
}

function answer(outcome: ReplyOutcome): Resolution {
  return { kind: 'answer', outcome };
}

function encodeOutcome(encoder: RecordEncoder, xid: number, outcome: ReplyOutcome): RpcRecord {
  return encoder.encode((writer) => writeReplyHeader(writer, xid, outcome));
}

function writeSuccess(writer: XdrWriter, xid: number, writeResults: WriteResults): void {
  writeReplyHeader(writer, xid, SUCCESS);
  try {
    writeResults(writer);
  } catch (cause) {
    // Not to be taken for an XdrError of the arguments: the caller did nothing wrong.
    throw new Error('the results could not be written', { cause });
  }
}
