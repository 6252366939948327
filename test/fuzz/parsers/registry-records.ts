import { RecordRefusal } from '@rowfs/registry';
import { signLatest, validateLatest } from '../../../registry/src/records/latest.ts';
import {
  signServerEntry,
  validateServerEntry,
} from '../../../registry/src/records/server-entry.ts';
import { encodeCbor, type SignedRecord } from '../../../registry/src/records/signed-record.ts';
import { mustEqual, type Parser, unlessRefused } from '../parser.ts';
import { appliance, latest, now, publisher, serverEntries, version } from './registry-samples.ts';

interface Kind {
  readonly domain: string;
  readonly samples: readonly SignedRecord<object>[];
  validate(bytes: Uint8Array): SignedRecord<object>;
}

const kinds: readonly Kind[] = [
  {
    domain: 'rowfs latest v1',
    samples: [signLatest(latest, publisher)],
    validate: (bytes) => validateLatest(bytes, { appliance, now }),
  },
  {
    domain: 'rowfs server v1',
    samples: serverEntries.map((entry) => signServerEntry(entry, publisher)),
    validate: (bytes) => validateServerEntry(bytes, { appliance, version, now }),
  },
];

/**
 * Inputs are one byte and a record. Bit 0 of the byte is its kind; with bit 1 set it is a payload
 * only, signed here: a publisher is a stranger, too, and no mutant has a valid signature.
 */
export const registryRecords: Parser = {
  name: 'registry-records',
  description: 'signed latest records and server entries',
  seeds: () =>
    kinds.flatMap(({ samples }, kind) =>
      samples.flatMap(({ bytes, payload }) => [
        Buffer.concat([Uint8Array.of(kind), bytes]),
        Buffer.concat([Uint8Array.of(kind | 2), encodeCbor(payload)]),
      ]),
    ),
  run(input) {
    const selector = input[0] ?? 0;
    const kind = kinds[selector & 1];
    if (kind === undefined) return;
    const rest = input.subarray(1);
    const bytes = (selector & 2) === 0 ? rest : signed(kind.domain, rest);
    const record = unlessRefused([RecordRefusal], () => kind.validate(bytes));
    if (record === undefined) return;
    const { payload, signer } = record;
    mustEqual(signer, publisher.peerId, 'only what its key signed is accepted');
    const again = unlessRefused([RecordRefusal], () =>
      kind.validate(signed(kind.domain, encodeCbor(payload))),
    );
    mustEqual(again?.payload, payload, 'what was accepted is encoded and accepted again');
    mustEqual(again?.bytes, Uint8Array.from(bytes), 'one record has one encoding');
  },
};

function signed(domain: string, payload: Uint8Array): Uint8Array {
  const signature = publisher.sign(Buffer.concat([Buffer.from(`${domain}\0`), payload]));
  return encodeCbor([publisher.peerId, payload, signature]);
}
