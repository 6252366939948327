import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createRegistryNode, type RegistryNode } from '@rowfs/registry';
import { pino } from 'pino';
import type { CommandContext } from './command-context.ts';
import { createOutput } from './output.ts';
import { restOnDemand } from './rest-on-demand.ts';
import { runningDaemons } from './running-daemons.ts';

const logger = pino({ level: 'silent' });
const anywhere = { host: '127.0.0.1', port: 0 };

async function contextOf(t: TestContext): Promise<CommandContext> {
  const state = await mkdtemp(join(tmpdir(), 'rowfs-state-'));
  t.after(() => rm(state, { recursive: true, force: true }));
  return {
    state,
    cache: join(state, 'cache'),
    registry: [],
    node: async () => ({ logger }),
    logger,
    output: createOutput(process.stdout, true),
  };
}

async function startNode(t: TestContext): Promise<RegistryNode> {
  const node = await createRegistryNode({
    ephemeral: true,
    listen: [],
    bootstrap: [],
    mode: 'server',
    logger,
  });
  t.after(() => node.close());
  return node;
}

const sessions = async () => [];

describe("the operators' REST that is loaded on demand", () => {
  it('starts its node when somebody first connects, once, and answers then', async (t) => {
    const context = await contextOf(t);
    let starts = 0;
    const node = (): Promise<RegistryNode> => {
      starts += 1;
      return startNode(t);
    };
    const rest = await restOnDemand(context, 'proxy', { node, at: anywhere, sessions });
    assert.equal(starts, 0);
    assert.deepEqual(
      (await runningDaemons(context.state)).map((daemon) => daemon.rest),
      [rest.url],
    );
    const asked = ['/v1/health', '/v1/sessions'].map((path) => fetch(rest.url + path));
    for (const response of await Promise.all(asked)) {
      assert.equal(response.status, 200);
      await response.body?.cancel();
    }
    assert.equal(starts, 1);
    await rest.close();
    assert.deepEqual(await runningDaemons(context.state), []);
    await assert.rejects(fetch(rest.url));
  });

  it('tries again for the next who connects when its node could not be started', async (t) => {
    let starts = 0;
    const node = (): Promise<RegistryNode> => {
      starts += 1;
      return starts === 1 ? Promise.reject(new Error('no node now')) : startNode(t);
    };
    const options = { node, at: anywhere, sessions };
    const rest = await restOnDemand(await contextOf(t), 'proxy', options);
    t.after(() => rest.close());
    await assert.rejects(fetch(`${rest.url}/v1/health`));
    assert.equal((await fetch(`${rest.url}/v1/health`)).status, 200);
  });

  it('closes though a client that was never answered is connected', async (t) => {
    const node = (): Promise<RegistryNode> => Promise.reject(new Error('no node now'));
    const options = { node, at: anywhere, sessions };
    const rest = await restOnDemand(await contextOf(t), 'proxy', options);
    const client = connect(Number(new URL(rest.url).port), '127.0.0.1');
    client.on('error', () => undefined);
    const closed = once(client, 'close');
    await once(client, 'connect');
    await rest.close();
    await closed;
  });

  it('names the port that is in use, and listens nowhere when it cannot be noted', async (t) => {
    const node = (): Promise<RegistryNode> => startNode(t);
    const context = await contextOf(t);
    const first = await restOnDemand(context, 'proxy', { node, at: anywhere, sessions });
    t.after(() => first.close());
    const at = { host: '127.0.0.1', port: Number(new URL(first.url).port) };
    await assert.rejects(restOnDemand(context, 'proxy', { node, at, sessions }), /in use/);

    await first.close();
    const file = join(context.state, 'file');
    await writeFile(file, '');
    const unusable = { ...context, state: file };
    await assert.rejects(restOnDemand(unusable, 'proxy', { node, at, sessions }));
    await assert.rejects(fetch(first.url));
  });
});
