import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { checkVersion, formatApplianceId, parseApplianceId } from './appliance-id.ts';
import { generateIdentity } from './identity.ts';
import { latestKey, serversKey, sharersKey } from './kad-key.ts';
import { formatServerAddress, parseServerAddress } from './records/server-address.ts';

const { peerId } = generateIdentity();

describe('appliance id', () => {
  it('is NAME@PEERID, there and back', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,62}$/), (name) => {
        const id = { name, publisher: peerId };
        assert.deepEqual(parseApplianceId(formatApplianceId(id)), id);
      }),
    );
  });

  it('names the part that is wrong', () => {
    const cases: [string, RegExp][] = [
      ['debian', /expected NAME@PEERID/],
      [`Debian@${peerId}`, /"Debian" is not an appliance name/],
      [`@${peerId}`, /"" is not an appliance name/],
      [`${'a'.repeat(64)}@${peerId}`, /is not an appliance name/],
      ['debian@12D3KooW', /"12D3KooW" .* is not an Ed25519 peer id/],
      [`debian@${peerId} `, /is not an Ed25519 peer id/],
    ];
    for (const [text, message] of cases) {
      assert.throws(() => parseApplianceId(text), { code: 'INVALID_APPLIANCE_ID', message });
    }
  });

  it('has keys of its own in each table', () => {
    const keys = [latestKey('a'), serversKey('a', '1'), sharersKey('a', '1'), sharersKey('a', '2')];
    assert.equal(new Set(keys.map((key) => Buffer.from(key).toString('hex'))).size, keys.length);
  });
});

describe('version', () => {
  it('may not hold separators or be empty', () => {
    for (const version of ['', 'a/b', '../x', 'a b', '-1', 'a'.repeat(65)]) {
      assert.throws(() => checkVersion(version), { code: 'INVALID_VERSION' });
    }
    checkVersion('12.7-rc1+build_5');
  });
});

describe('server address', () => {
  it('is parsed in each of its forms, and written back', () => {
    const cases: [string, object][] = [
      ['nas:/srv', { host: 'nas', port: 2049, exportPath: '/srv' }],
      ['10.0.0.5:12049:/a b', { host: '10.0.0.5', port: 12049, exportPath: '/a b' }],
      ['nas:1,2:/', { host: 'nas', port: 1, mountPort: 2, exportPath: '/' }],
      ['[fe80::1]:2049:/x', { host: 'fe80::1', port: 2049, exportPath: '/x' }],
    ];
    for (const [text, address] of cases) {
      const parsed = parseServerAddress(text);
      assert.deepEqual(parsed, address);
      assert.deepEqual(parseServerAddress(formatServerAddress(parsed)), address);
    }
  });

  it('is refused with an example when it is none', () => {
    for (const text of ['nas', 'nas:srv', ':/srv', 'nas:0:/srv', 'nas:65536:/srv', '']) {
      assert.throws(() => parseServerAddress(text), { code: 'INVALID_ADDRESS', message: /e\.g\./ });
    }
  });
});
