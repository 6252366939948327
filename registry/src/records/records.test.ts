import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { encode } from 'cborg';
import fc from 'fast-check';
import { RecordRefusal, type RefusalCode } from '../errors.ts';
import { generateIdentity } from '../identity.ts';
import { MAX_LATEST_VALIDITY_MS, signLatest, validateLatest, type Latest } from './latest.ts';
import { formatServerAddress } from './server-address.ts';
import {
  isEndorsed,
  MAX_SELF_ANNOUNCED_TTL_MS,
  signServerEntry,
  validateServerEntry,
  type ServerEntry,
} from './server-entry.ts';
import { encodeCbor, MAX_RECORD_BYTES } from './signed-record.ts';

const publisher = generateIdentity();
const stranger = generateIdentity();
const appliance = `debian@${publisher.peerId}`;
const now = Date.UTC(2026, 5, 1);

function latest(change: Partial<Latest> = {}): Latest {
  return {
    appliance,
    seq: 5,
    version: '12.7',
    channels: {},
    published: now,
    validUntil: now + 1000,
    history: [{ version: '12.7', published: now, manifest: null, bootProfile: null }],
    ...change,
  };
}

const address = { host: '10.0.0.5', port: 2049, exportPath: '/srv/debian' };

function serverEntry(change: Partial<ServerEntry> = {}): ServerEntry {
  return {
    appliance,
    version: '12.7',
    server: formatServerAddress(address),
    address,
    holdings: 'full',
    load: 0,
    seq: 5,
    expires: now + 1000,
    withdrawn: false,
    ...change,
  };
}

function refuses(code: RefusalCode, words: RegExp, action: () => unknown): void {
  assert.throws(action, (error: unknown) => {
    assert.ok(error instanceof RecordRefusal, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, words);
    return true;
  });
}

describe('latest record', () => {
  const context = { appliance, now };
  const good = signLatest(latest(), publisher);

  it('is accepted from its publisher, and again from the same bytes', () => {
    assert.deepEqual(validateLatest(good.bytes, context).payload, latest());
    assert.equal(validateLatest(good.bytes, { ...context, floor: good }).signer, publisher.peerId);
  });

  it('is refused with any one bit changed', () => {
    const bits = fc.integer({ min: 0, max: good.bytes.length * 8 - 1 });
    fc.assert(
      fc.property(bits, (bit) => {
        const bytes = Uint8Array.from(good.bytes);
        bytes[bit >> 3]! ^= 1 << (bit & 7);
        assert.throws(() => validateLatest(bytes, context), RecordRefusal);
      }),
      { numRuns: 200 },
    );
  });

  it('is refused with a forged signature', () => {
    const bytes = encodeCbor([publisher.peerId, encodeCbor(latest()), new Uint8Array(64)]);
    refuses('FORGED_SIGNATURE', /is not by/, () => validateLatest(bytes, context));
  });

  it('is refused with a signature made for another kind of record', () => {
    const entry = signServerEntry(serverEntry(), publisher);
    refuses('FORGED_SIGNATURE', /latest/, () => validateLatest(entry.bytes, context));
  });

  it('is refused from the wrong publisher', () => {
    const { bytes } = signLatest(latest(), stranger);
    refuses('WRONG_PUBLISHER', /not by its publisher/, () => validateLatest(bytes, context));
  });

  it('is refused under the wrong key', () => {
    const { bytes } = signLatest(latest({ appliance: `other@${publisher.peerId}` }), publisher);
    refuses('WRONG_KEY', /under the key of/, () => validateLatest(bytes, context));
  });

  it('is refused as a rollback below the floor', () => {
    const floor = signLatest(latest({ seq: 6 }), publisher);
    refuses('ROLLBACK', /seq 5, but seq 6/, () =>
      validateLatest(good.bytes, { ...context, floor }),
    );
  });

  it('is refused as equivocation with the seq of the floor and other bytes', () => {
    const floor = signLatest(latest({ published: now - 1 }), publisher);
    refuses('EQUIVOCATION', /two different/, () =>
      validateLatest(good.bytes, { ...context, floor }),
    );
  });

  it('is refused once it expired', () => {
    refuses('EXPIRED', /publish again/, () =>
      validateLatest(good.bytes, { appliance, now: now + 1000 }),
    );
  });

  it('is refused when it claims to be valid for too long', () => {
    const validUntil = now + MAX_LATEST_VALIDITY_MS + 1;
    const { bytes } = signLatest(latest({ validUntil }), publisher);
    refuses('FROM_THE_FUTURE', /days ahead/, () => validateLatest(bytes, context));
  });

  it('is refused when it is oversized, before anything is parsed', () => {
    const bytes = new Uint8Array(MAX_RECORD_BYTES + 1);
    refuses('OVERSIZED', /the limit is/, () => validateLatest(bytes, context));
  });

  it('is refused when the current version is not in its history', () => {
    const { bytes } = signLatest(latest({ version: '13' }), publisher);
    refuses('MALFORMED', /lacks the current version/, () => validateLatest(bytes, context));
  });

  it('is refused as anything but the one deterministic encoding', () => {
    const payload = encode(latest(), { mapSorter: () => 0 });
    assert.notDeepEqual(payload, encodeCbor(latest()), 'the same value in other bytes');
    const signature = publisher.sign(Buffer.concat([Buffer.from('rowfs latest v1\0'), payload]));
    const bytes = encodeCbor([publisher.peerId, payload, signature]);
    refuses('MALFORMED', /deterministic/, () => validateLatest(bytes, context));
  });

  it('never throws anything but a refusal on arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        assert.throws(() => validateLatest(bytes, context), RecordRefusal);
      }),
    );
  });
});

describe('server entry', () => {
  const context = { appliance, version: '12.7', now };

  it('is accepted from the publisher, who vouches for an unmodified server', () => {
    const entry = signServerEntry(serverEntry(), publisher);
    assert.equal(isEndorsed(validateServerEntry(entry.bytes, context)), true);
  });

  it('is accepted from a server about itself, without endorsement', () => {
    const entry = signServerEntry(serverEntry({ server: stranger.peerId }), stranger);
    assert.equal(isEndorsed(validateServerEntry(entry.bytes, context)), false);
  });

  it('is refused from a stranger about somebody else', () => {
    const forPublisher = signServerEntry(serverEntry({ server: publisher.peerId }), stranger);
    const forAddress = signServerEntry(serverEntry(), stranger);
    for (const { bytes } of [forPublisher, forAddress]) {
      refuses('WRONG_PUBLISHER', /signed by/, () => validateServerEntry(bytes, context));
    }
  });

  it('is refused under the key of another version', () => {
    const { bytes } = signServerEntry(serverEntry({ version: '12.8' }), publisher);
    refuses('WRONG_KEY', /12\.8/, () => validateServerEntry(bytes, context));
  });

  it('is refused below the newest seq, as equivocation at the same, and after expiry', () => {
    const { bytes } = signServerEntry(serverEntry(), publisher);
    const newer = signServerEntry(serverEntry({ seq: 6, withdrawn: true }), publisher);
    const other = signServerEntry(serverEntry({ load: 7 }), publisher);
    const expired = { ...context, now: now + 1000 };
    refuses('ROLLBACK', /seq 6/, () => validateServerEntry(bytes, { ...context, floor: newer }));
    refuses('EQUIVOCATION', /seq 5/, () =>
      validateServerEntry(bytes, { ...context, floor: other }),
    );
    refuses('EXPIRED', /expired/, () => validateServerEntry(bytes, expired));
  });

  it('is refused with a longer TTL than a server may give itself', () => {
    const expires = now + MAX_SELF_ANNOUNCED_TTL_MS + 1;
    const own = signServerEntry(serverEntry({ server: stranger.peerId, expires }), stranger);
    refuses('MALFORMED', /24 h ahead/, () => validateServerEntry(own.bytes, context));
    const endorsed = signServerEntry(serverEntry({ expires }), publisher);
    assert.equal(validateServerEntry(endorsed.bytes, context).payload.expires, expires);
  });
});
