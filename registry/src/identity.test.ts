import assert from 'node:assert/strict';
import { chmod, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { generateIdentity, loadKey, loadOrCreateKey, verifySignature } from './identity.ts';

describe('key file', () => {
  let directory: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'rowfs-key-'));
  });
  after(() => rm(directory, { recursive: true }));

  it('is created once, with mode 0600, and read back as the same identity', async () => {
    const path = join(directory, 'sub', 'node.key');
    const created = await loadOrCreateKey(path);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.equal((await loadOrCreateKey(path)).peerId, created.peerId);
    assert.equal((await loadKey(path)).peerId, created.peerId);
    assert.deepEqual(await readdir(join(directory, 'sub')), ['node.key']);
  });

  it('created by two at a time ends as one key for both', async () => {
    const path = join(directory, 'raced.key');
    const [a, b] = await Promise.all([loadOrCreateKey(path), loadOrCreateKey(path)]);
    assert.equal(a.peerId, b.peerId);
  });

  it('that others can read is refused, with the command that helps', async () => {
    const path = join(directory, 'open.key');
    await loadOrCreateKey(path);
    await chmod(path, 0o644);
    await assert.rejects(loadKey(path), {
      code: 'KEY_PERMISSIONS',
      message: new RegExp(`mode 0644.*chmod 600 ${path}`),
    });
  });

  it('that is missing or no key is named in the error', async () => {
    const path = join(directory, 'none.key');
    await assert.rejects(loadKey(path), { code: 'KEY_UNREADABLE', message: new RegExp(path) });
    await writeFile(path, 'not a key', { mode: 0o600 });
    await assert.rejects(loadOrCreateKey(path), { code: 'KEY_UNREADABLE' });
    const below = join(path, 'below.key');
    await assert.rejects(loadOrCreateKey(below), { code: 'KEY_UNREADABLE' });
  });
});

describe('generated identity', () => {
  it('is the same for the same seed, and another one without', () => {
    const seed = new Uint8Array(32).fill(7);
    assert.equal(generateIdentity(seed).peerId, generateIdentity(seed).peerId);
    assert.notEqual(generateIdentity().peerId, generateIdentity().peerId);
  });
});

describe('signature', () => {
  it('holds for the signer and the message only', () => {
    const [key, other] = [generateIdentity(), generateIdentity()];
    const message = Buffer.from('hello');
    const signature = key.sign(message);
    assert.equal(verifySignature(key.peerId, message, signature), true);
    assert.equal(verifySignature(other.peerId, message, signature), false);
    assert.equal(verifySignature(key.peerId, Buffer.from('hullo'), signature), false);
    assert.equal(verifySignature('no peer id', message, signature), false);
  });
});
