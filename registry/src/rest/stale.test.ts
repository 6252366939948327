import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { pino } from 'pino';
import { generateIdentity } from '../identity.ts';
import { createRegistryNode } from '../node.ts';
import { createPublisher } from '../publisher.ts';
import { parseServerAddress } from '../records/server-address.ts';
import { createRestServer } from './server.ts';
import { ask } from './test-support/ask.ts';

const logger = pino({ level: 'silent' });

it('with the registry gone, shows what was read before, and since when it is stale', async (t) => {
  const stateDir = await mkdtemp(join(tmpdir(), 'rowfs-stale-'));
  t.after(() => rm(stateDir, { recursive: true }));
  const registry = await createRegistryNode({
    ephemeral: true,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    bootstrap: [],
    mode: 'server',
    logger,
  });
  t.after(() => registry.close());
  const publisher = createPublisher({
    node: registry,
    key: generateIdentity(),
    stateDir,
    verifyServer: async () => undefined,
  });
  const servers = [parseServerAddress('10.0.0.5:/srv')];
  const { appliance } = await publisher.publish({
    name: 'kept',
    version: '1',
    servers,
    manifest: null,
  });
  const client = await createRegistryNode({
    ephemeral: true,
    listen: [],
    bootstrap: registry.addresses(),
    mode: 'client',
    logger,
  });
  t.after(() => client.close());
  const rest = await createRestServer({ node: client, sessions: { sessions: () => [] }, logger });
  t.after(() => rest.close());
  const { url } = await rest.listen({ host: '127.0.0.1', port: 0 });

  const paths = ['', '/versions', '/versions/1/servers'].map(
    (path) => `${url}/v1/appliances/${appliance}${path}`,
  );
  const read = async (): Promise<Record<string, unknown>[]> =>
    Promise.all(paths.map(async (path) => (await ask(path)).body as Record<string, unknown>));
  const before = await read();
  const asked = Date.now();
  await registry.close();
  const after = await read();
  for (const [i, { staleSince, ...shown }] of after.entries()) {
    const { staleSince: fresh, ...expected } = before[i]!;
    assert.equal(fresh, null, paths[i]);
    assert.deepEqual(shown, expected);
    assert.ok(Date.parse(String(staleSince)) <= asked, paths[i]);
  }
  // Whether somebody uses it cannot be told from what was read before.
  const { body } = await ask(`${url}/v1/appliances/${appliance}/versions/1/sharers`);
  assert.deepEqual(body, {
    appliance,
    version: '1',
    kept: true,
    count: 0,
    complete: false,
    sharers: [],
  });
});
