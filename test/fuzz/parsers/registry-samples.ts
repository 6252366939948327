import { createPrivateKey } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Latest, loadKey, type ServerEntry } from '@rowfs/registry';

/** RFC 8410: what stands before the 32 bytes of an Ed25519 key in PKCS#8. */
const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** The same key in every run, so that an input found in one means the same in the next. */
async function fixedIdentity() {
  const key = Buffer.concat([PKCS8_ED25519, Buffer.alloc(32, 'rowfs fuzz')]);
  const pem = createPrivateKey({ key, format: 'der', type: 'pkcs8' });
  const directory = mkdtempSync(join(tmpdir(), 'rowfs-fuzz-'));
  try {
    const path = join(directory, 'key.pem');
    writeFileSync(path, pem.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 });
    return await loadKey(path);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

export const publisher = await fixedIdentity();
export const appliance = `debian@${publisher.peerId}`;
export const version = '12.7';
export const now = Date.UTC(2026, 5, 1);

export const latest: Latest = {
  appliance,
  seq: 5,
  version,
  channels: { stable: version },
  published: now,
  validUntil: now + 1000,
  history: [
    {
      version,
      published: now,
      manifest: { digest: Buffer.alloc(32, 1), bytes: 5_000_000 },
      bootProfile: { digest: Buffer.alloc(32, 2), bytes: 2000 },
    },
    { version: '12.6', published: now - 1, manifest: null, bootProfile: null },
  ],
};

const address = { host: '10.0.0.5', port: 2049, mountPort: 20_048, exportPath: '/srv/debian' };

/** The publisher about an unmodified server, and a server about itself. */
export const serverEntries: readonly ServerEntry[] = [
  '10.0.0.5:2049,20048:/srv/debian',
  publisher.peerId,
].map((server) => ({
  appliance,
  version,
  server,
  address,
  holdings: 'full',
  load: 0,
  seq: 5,
  expires: now + 1000,
  withdrawn: false,
}));
