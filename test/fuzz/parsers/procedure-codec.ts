import type { ProcedureCodec } from '@rowfs/nfs3';
import { XdrError, XdrReader, XdrWriter } from '@rowfs/xdr';
import fc, { type Arbitrary } from 'fast-check';
import { inTwo, mustEqual, unlessRefused } from '../parser.ts';

/** Half a procedure: what is read and written of its arguments, or of its results. */
export interface MessageCodec {
  read(reader: XdrReader): unknown;
  write(writer: XdrWriter, value: unknown): void;
  /** What seeds are made of. */
  readonly values: Arbitrary<unknown>;
}

export function argsCodec<Args, Res>(
  codec: ProcedureCodec<Args, Res>,
  values: Arbitrary<Args>,
): MessageCodec {
  const write = (writer: XdrWriter, args: unknown): void => codec.writeArgs(writer, args as Args);
  return { read: codec.readArgs, write, values };
}

export function resultCodec<Args, Res>(
  codec: ProcedureCodec<Args, Res>,
  values: Arbitrary<Res>,
): MessageCodec {
  const write = (writer: XdrWriter, result: unknown): void =>
    codec.writeResult(writer, result as Res);
  return { read: codec.readResult, write, values };
}

const SEEDS_PER_CODEC = 8;

/** Inputs are the number of a codec in one byte, and a message of it. */
export function codecSeeds(codecs: readonly MessageCodec[], seed: number): Uint8Array[] {
  return codecs.flatMap((codec, number) =>
    fc
      .sample(codec.values, { seed, numRuns: SEEDS_PER_CODEC })
      .map((value) => Buffer.concat([Uint8Array.of(number), encode(codec, value)])),
  );
}

/** What is read is written and read alike, and does not depend on the pieces it arrives in. */
export function checkCodec(codecs: readonly MessageCodec[], input: Uint8Array): void {
  const codec = codecs[(input[0] ?? 0) % codecs.length];
  if (codec === undefined) return;
  const message = input.subarray(1);
  const value = decode(codec, message);
  mustEqual(plain(decode(codec, inTwo(message))), plain(value), 'pieces make no difference');
  if (value === undefined) return;
  const again = decode(codec, encode(codec, value.read));
  mustEqual(plain(again), plain(value), 'what was read is written and read alike');
}

type Decoded = { readonly read: unknown } | undefined;

function decode(codec: MessageCodec, message: Uint8Array | readonly Uint8Array[]): Decoded {
  return unlessRefused([XdrError], () => {
    const reader = new XdrReader(message);
    const read = codec.read(reader);
    reader.end();
    return { read };
  });
}

function encode(codec: MessageCodec, value: unknown): Uint8Array {
  const writer = new XdrWriter();
  codec.write(writer, value);
  return Buffer.concat(writer.finish());
}

/** The same value with payloads joined: how many parts they came in is nobody's business. */
function plain(decoded: Decoded): unknown {
  const read = decoded?.read;
  if (typeof read !== 'object' || read === null || !('data' in read)) return read;
  const { data } = read;
  return Array.isArray(data) ? { ...read, data: Buffer.concat(data as Uint8Array[]) } : read;
}
