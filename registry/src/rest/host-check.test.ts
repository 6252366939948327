import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isOwnHost } from './host-check.ts';

const own = ['0.0.0.0', '::ffff:10.0.0.5'];

describe('isOwnHost', () => {
  for (const host of [
    'localhost',
    'localhost:4712',
    'LOCALHOST:4712',
    '127.0.0.1',
    '127.3.2.1:80',
    '[::1]:4712',
    '10.0.0.5:4712',
    '10.0.0.5',
  ]) {
    it(`takes ${host}`, () => assert.equal(isOwnHost(host, own), true));
  }

  for (const host of [
    undefined,
    '',
    'evil.example',
    'evil.example:4712',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '127.0.0.1@evil.example',
    'evil.example#@127.0.0.1',
    '10.0.0.6',
    '[::2]',
    'a b',
  ]) {
    it(`refuses ${host ?? 'a request that names none'}`, () =>
      assert.equal(isOwnHost(host, own), false));
  }

  it('takes the name it was told to listen on, in any case', () => {
    assert.equal(isOwnHost('node7.rack.example:80', ['Node7.rack.example']), true);
    assert.equal(isOwnHost('node8.rack.example:80', ['Node7.rack.example']), false);
  });
});
