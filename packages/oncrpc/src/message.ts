import { XdrError, type XdrReader, type XdrWriter } from '@rowfs/xdr';
import {
  type Credential,
  readCredential,
  skipVerifier,
  writeCredential,
  writeEmptyVerifier,
} from './auth.ts';

const RPC_VERSION = 2;
const CALL = 0;
const REPLY = 1;
const MSG_ACCEPTED = 0;
const MSG_DENIED = 1;

/** accept_stat of RFC 5531 section 9, at its number. */
const ACCEPT_STATS = [
  'SUCCESS',
  'PROG_UNAVAIL',
  'PROG_MISMATCH',
  'PROC_UNAVAIL',
  'GARBAGE_ARGS',
  'SYSTEM_ERR',
] as const;
/** reject_stat, at its number. */
const REJECT_STATS = ['RPC_MISMATCH', 'AUTH_ERROR'] as const;
/** auth_stat, at its number; those that only other flavors use are read as numbers. */
const AUTH_STATS = [
  'AUTH_OK',
  'AUTH_BADCRED',
  'AUTH_REJECTEDCRED',
  'AUTH_BADVERF',
  'AUTH_REJECTEDVERF',
  'AUTH_TOOWEAK',
  'AUTH_INVALIDRESP',
  'AUTH_FAILED',
] as const;

export type AuthStat = (typeof AUTH_STATS)[number];

/** What a reply says about its call; the procedure's results follow SUCCESS, nothing the others. */
export type ReplyOutcome =
  | { readonly status: 'SUCCESS' }
  | { readonly status: 'PROG_UNAVAIL' | 'PROC_UNAVAIL' | 'GARBAGE_ARGS' | 'SYSTEM_ERR' }
  | {
      readonly status: 'PROG_MISMATCH' | 'RPC_MISMATCH';
      readonly low: number;
      readonly high: number;
    }
  | { readonly status: 'AUTH_ERROR'; readonly authStat: AuthStat };

export interface CallHeader {
  readonly program: number;
  readonly version: number;
  readonly procedure: number;
  readonly credential: Credential;
}

/** A call's header, or how it must be answered because of its header alone. */
export type CallHeaderResult =
  | { readonly ok: true; readonly header: CallHeader }
  | { readonly ok: false; readonly outcome: ReplyOutcome };

export function writeCallHeader(writer: XdrWriter, xid: number, header: CallHeader): void {
  writer.uint32(xid);
  writer.uint32(CALL);
  writer.uint32(RPC_VERSION);
  writer.uint32(header.program);
  writer.uint32(header.version);
  writer.uint32(header.procedure);
  writeCredential(writer, header.credential);
  writeEmptyVerifier(writer);
}

/** Reads the xid of a call. Throws XdrError on anything but a call: no reply to it is possible. */
export function readCallXid(reader: XdrReader): number {
  return readXid(reader, CALL);
}

/** Reads what follows the xid of a call, up to the procedure's arguments. */
export function readCallHeader(reader: XdrReader): CallHeaderResult {
  let outcome: ReplyOutcome = { status: 'GARBAGE_ARGS' };
  try {
    if (reader.uint32() !== RPC_VERSION) {
      return refuse({ status: 'RPC_MISMATCH', low: RPC_VERSION, high: RPC_VERSION });
    }
    const program = reader.uint32();
    const version = reader.uint32();
    const procedure = reader.uint32();
    outcome = { status: 'AUTH_ERROR', authStat: 'AUTH_BADCRED' };
    const credential = readCredential(reader);
    outcome = { status: 'AUTH_ERROR', authStat: 'AUTH_BADVERF' };
    skipVerifier(reader);
    if (credential === undefined) {
      return refuse({ status: 'AUTH_ERROR', authStat: 'AUTH_REJECTEDCRED' });
    }
    return { ok: true, header: { program, version, procedure, credential } };
  } catch (error) {
    if (error instanceof XdrError) return refuse(outcome);
    throw error;
  }
}

/** Writes a reply up to the procedure's results. */
export function writeReplyHeader(writer: XdrWriter, xid: number, outcome: ReplyOutcome): void {
  writer.uint32(xid);
  writer.uint32(REPLY);
  const { status } = outcome;
  if (status === 'RPC_MISMATCH' || status === 'AUTH_ERROR') {
    writer.uint32(MSG_DENIED);
    writer.uint32(REJECT_STATS.indexOf(status));
  } else {
    writer.uint32(MSG_ACCEPTED);
    writeEmptyVerifier(writer);
    writer.uint32(ACCEPT_STATS.indexOf(status));
  }
  if (status === 'RPC_MISMATCH' || status === 'PROG_MISMATCH') {
    writer.uint32(outcome.low);
    writer.uint32(outcome.high);
  } else if (status === 'AUTH_ERROR') {
    writer.uint32(AUTH_STATS.indexOf(outcome.authStat));
  }
}

/** Reads the xid of a reply. Throws XdrError on anything but a reply. */
export function readReplyXid(reader: XdrReader): number {
  return readXid(reader, REPLY);
}

/** Reads what follows the xid of a reply, up to the results. Throws XdrError on what is none. */
export function readReplyOutcome(reader: XdrReader): ReplyOutcome {
  const denied = reader.uint32();
  if (denied === MSG_DENIED) return readDenied(reader);
  if (denied !== MSG_ACCEPTED) throw new XdrError('BAD_VALUE', `${denied} is no reply_stat`);
  skipVerifier(reader);
  const status = named(ACCEPT_STATS, reader.uint32(), 'accept_stat');
  return status === 'PROG_MISMATCH' ? readMismatch(reader, status) : { status };
}

function readDenied(reader: XdrReader): ReplyOutcome {
  const status = named(REJECT_STATS, reader.uint32(), 'reject_stat');
  if (status === 'RPC_MISMATCH') return readMismatch(reader, status);
  // The stats of other flavors (Kerberos, RPCSEC_GSS) say no more to this client than "failed".
  return { status, authStat: AUTH_STATS[reader.uint32()] ?? 'AUTH_FAILED' };
}

function readMismatch(reader: XdrReader, status: 'PROG_MISMATCH' | 'RPC_MISMATCH'): ReplyOutcome {
  return { status, low: reader.uint32(), high: reader.uint32() };
}

function readXid(reader: XdrReader, messageType: number): number {
  const xid = reader.uint32();
  const type = reader.uint32();
  if (type !== messageType) throw new XdrError('BAD_VALUE', `message type ${type}`);
  return xid;
}

function named<T>(names: readonly T[], value: number, type: string): T {
  const name = names[value];
  if (name === undefined) throw new XdrError('BAD_VALUE', `${value} is no ${type}`);
  return name;
}

function refuse(outcome: ReplyOutcome): CallHeaderResult {
  return { ok: false, outcome };
}
