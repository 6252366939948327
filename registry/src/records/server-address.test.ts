import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RegistryError } from '../errors.ts';
import { formatServerAddress, parseServerAddress } from './server-address.ts';

describe('server address', () => {
  it('is parsed as it is formatted', () => {
    for (const text of [
      '10.0.0.5:2049:/srv/debian',
      'nfs.example.org:2049,20048:/srv/a:b',
      '[2001:db8::1]:2049:/srv',
    ]) {
      assert.equal(formatServerAddress(parseServerAddress(text)), text);
    }
  });

  it('is refused with colons that are no IPv6 address: nobody could parse it back', () => {
    for (const text of ['[2001:db8::1::]:2049:/srv', '[:]:/srv', '[20018db88:1]:2049:/srv']) {
      assert.throws(() => parseServerAddress(text), RegistryError);
    }
  });
});
