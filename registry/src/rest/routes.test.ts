import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pino } from 'pino';
import { z } from 'zod';
import { generateIdentity } from '../identity.ts';
import { createRegistryNode, type RegistryNode } from '../node.ts';
import { createPublisher, type Publisher } from '../publisher.ts';
import { signLatest } from '../records/latest.ts';
import { parseServerAddress } from '../records/server-address.ts';
import { holdLease, type SharerLease } from '../sharer-lease.ts';
import { createRestServer, type RestServer } from './server.ts';
import type { Session } from './session.ts';
import { ask, problemDetail } from './test-support/ask.ts';

const silent = pino({ level: 'silent' });
/** The longest name there is, so that the id is longer than routers take by default. */
const NAME = 'debian-'.padEnd(63, 'x');
const SERVER = '10.0.0.5:2049:/srv/debian';

const session: Session = {
  id: 's1',
  appliance: null,
  version: null,
  resumed: true,
  startedAt: '2024-05-01T00:00:00.000Z',
  staleSince: null,
  notices: ['the last run did not end cleanly'],
  address: { host: '127.0.0.1', port: 2049, mountPort: 2049 },
  mountCommand: 'mount -t nfs 127.0.0.1:/ /mnt',
  shadow: {
    name: 'default',
    directory: '/var/lib/shadow',
    bytesRedirected: 4096,
    usedBytes: 8192,
    quotaBytes: null,
    reserveBytes: 2 ** 26,
    availableBytes: 2 ** 39 - 2 ** 26,
    diskBytes: 2 ** 40,
    diskFreeBytes: 2 ** 39,
    diskFiles: 1000,
    diskFilesFree: 900,
  },
  image: {
    digest: 'c'.repeat(64),
    inodes: 3,
    blocks: 2,
    reads: { hits: 9, misses: 1, fetchedBlocks: 2, fetchedBytes: 131_072, failedBlocks: 0 },
    prefetch: { blocks: 2, done: 1 },
    cache: { directory: '/var/cache/rowfs/blocks', isStoring: true, wrongBlocks: 0 },
  },
  servers: [
    {
      address: SERVER,
      state: 'demoted',
      current: false,
      since: '2024-05-01T00:00:00.000Z',
      calls: 3,
      failures: 1,
      latencyMs: 0.5,
      lastError: { code: 'SILENT', message: 'it did not answer' },
      blocks: { good: 2, bad: 1, bytes: 196_608, bytesWasted: 65_536 },
    },
  ],
  procedures: {
    client: [
      {
        name: 'read',
        calls: 3,
        inFlight: 1,
        errors: { NFS3ERR_IO: 1 },
        rejected: 0,
        bytesRead: 4096,
        bytesWritten: 0,
        latencyMs: { mean: 1, p50: 1, p90: 1.5, p99: 2, max: 2 },
      },
    ],
    server: [],
  },
};

describe("the routes of the operators' REST", () => {
  let directory: string;
  let node: RegistryNode;
  let publisher: Publisher;
  let lease: SharerLease;
  let rest: RestServer;
  let url: string;
  let appliance: string;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'rowfs-rest-'));
    node = await createRegistryNode({
      ephemeral: true,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      bootstrap: [],
      mode: 'server',
      logger: silent,
    });
    publisher = createPublisher({
      node,
      key: generateIdentity(),
      stateDir: directory,
      // What the servers serve is not this test's subject, and nobody listens there.
      verifyServer: async () => undefined,
    });
    appliance = publisher.applianceId(NAME);
    const servers = [parseServerAddress(SERVER)];
    const manifest = { digest: Buffer.alloc(32, 0xaa), bytes: 4000 };
    const bootProfile = { digest: Buffer.alloc(32, 0xbb), bytes: 70 };
    await publisher.publish({
      name: NAME,
      version: '1',
      servers,
      manifest: null,
      channels: ['stable', 'old'],
    });
    await publisher.publish({
      name: NAME,
      version: '2',
      servers,
      manifest,
      bootProfile,
      channels: ['stable', 'beta'],
    });
    lease = await holdLease(node, { appliance, version: '1', ttlSeconds: 60 });
    rest = await createRestServer({
      node,
      // A source may offer more than the schema has: that is not shown.
      sessions: { sessions: async () => [{ ...session, more: 'than that' }] },
      logger: silent,
    });
    ({ url } = await rest.listen({ host: '127.0.0.1', port: 0 }));
  });

  after(async () => {
    await rest.close();
    await lease.release();
    await node.close();
    await rm(directory, { recursive: true });
  });

  const id = (): string => encodeURIComponent(appliance);

  it('tells how the node does', async () => {
    const { status, body } = await ask(`${url}/v1/health`);
    assert.equal(status, 200);
    const { startedAt, uptimeSeconds, version, ...rest } = body as Record<string, unknown>;
    assert.deepEqual(rest, {
      status: 'alone',
      peerId: node.peerId,
      mode: 'server',
      connected: false,
      peers: 0,
      records: { latest: 1, servers: 2, sharers: 1 },
    });
    assert.ok(Date.parse(String(startedAt)) <= Date.now());
    assert.ok(Number(uptimeSeconds) >= 0);
    assert.match(String(version), /^\d+\.\d+\.\d+/);
  });

  it('lists the node itself and its routing table', async () => {
    const second = await createRegistryNode({
      ephemeral: true,
      listen: [],
      bootstrap: node.addresses(),
      mode: 'client',
      logger: silent,
    });
    const other = await createRestServer({
      node: second,
      sessions: { sessions: async () => [] },
      logger: silent,
    });
    try {
      const at = await other.listen({ host: '127.0.0.1', port: 0 });
      const { body } = await ask(`${at.url}/v1/peers`);
      const { self, peers } = body as {
        self: { id: string; mode: string };
        peers: { id: string; addresses: string[] }[];
      };
      assert.deepEqual({ id: self.id, mode: self.mode }, { id: second.peerId, mode: 'client' });
      assert.deepEqual(
        peers.map((peer) => peer.id),
        [node.peerId],
      );
      const health = await ask(`${at.url}/v1/health`);
      assert.equal((health.body as { status: string }).status, 'ok');

      // What a client reads through the DHT, it knows from then on, but does not store for others.
      await ask(`${at.url}/v1/appliances/${id()}`);
      const known = await ask(`${at.url}/v1/appliances`);
      const { appliances } = known.body as { appliances: Record<string, unknown>[] };
      assert.deepEqual(
        appliances.map((each) => [each['appliance'], each['version'], each['stored']]),
        [[appliance, '2', false]],
      );
    } finally {
      await other.close();
      await second.close();
    }
  });

  it('lists the appliances it stores records of', async () => {
    const { body } = await ask(`${url}/v1/appliances`);
    const { appliances } = body as { appliances: Record<string, unknown>[] };
    const record = node.tables.newestSeen(appliance)!.payload;
    assert.deepEqual(appliances, [
      {
        appliance,
        version: '2',
        seq: 2,
        published: new Date(record.published).toISOString(),
        validUntil: new Date(record.validUntil).toISOString(),
        stored: true,
      },
    ]);
  });

  it('resolves an appliance, whether its @ is percent-encoded or not', async () => {
    const encoded = await ask(`${url}/v1/appliances/${id()}`);
    const plain = await ask(`${url}/v1/appliances/${appliance}`);
    assert.deepEqual(encoded, plain);
    const record = node.tables.newestSeen(appliance)!.payload;
    const iso = (ms: number): string => new Date(ms).toISOString();
    assert.deepEqual(encoded.body, {
      appliance,
      publisher: publisher.peerId,
      version: '2',
      seq: 2,
      published: iso(record.published),
      validUntil: iso(record.validUntil),
      channels: { stable: '2', beta: '2', old: '1' },
      versions: [
        {
          version: '2',
          published: iso(record.history[0]!.published),
          manifest: { digest: 'a'.repeat(64), bytes: 4000 },
          bootProfile: { digest: 'b'.repeat(64), bytes: 70 },
          latest: true,
          channels: ['beta', 'stable'],
        },
        {
          version: '1',
          published: iso(record.history[1]!.published),
          manifest: null,
          bootProfile: null,
          latest: false,
          channels: ['old'],
        },
      ],
      staleSince: null,
    });
    const { body } = await ask(`${url}/v1/appliances/${id()}/versions`);
    const { versions } = encoded.body as { versions: unknown };
    assert.deepEqual(body, { appliance, versions, staleSince: null });
  });

  it('lists the servers of a version', async () => {
    const { body } = await ask(`${url}/v1/appliances/${id()}/versions/1/servers`);
    assert.deepEqual(body, {
      appliance,
      version: '1',
      servers: [{ server: SERVER, address: SERVER, holdings: 'full', load: 0, endorsed: true }],
      staleSince: null,
    });
  });

  it('lists the sharers of a version, also after it was retired', async () => {
    const name = 'retiring';
    const retiring = publisher.applianceId(name);
    const servers = [parseServerAddress(SERVER)];
    await publisher.publish({ name, version: 'a', servers, manifest: null });
    await publisher.publish({ name, version: 'b', servers, manifest: null });
    const held = await holdLease(node, { appliance: retiring, version: 'a', ttlSeconds: 60 });
    await publisher.retire(retiring, ['a']);
    const at = `${url}/v1/appliances/${retiring}/versions/a`;
    const used = await ask(`${at}/sharers`);
    const { sharers, ...rest } = used.body as { sharers: { client: string }[] };
    assert.deepEqual(rest, {
      appliance: retiring,
      version: 'a',
      kept: false,
      count: 1,
      complete: true,
    });
    assert.deepEqual(
      sharers.map(({ client }) => client),
      [node.peerId],
    );
    await held.release();
    problemDetail(await ask(`${at}/sharers`), 404, 'VERSION_NOT_FOUND');
    problemDetail(await ask(`${at}/servers`), 404, 'VERSION_NOT_FOUND');
  });

  it('gives the sessions as their source has them', async () => {
    assert.deepEqual((await ask(`${url}/v1/sessions`)).body, { sessions: [session] });
    assert.deepEqual((await ask(`${url}/v1/sessions/s1`)).body, session);
    problemDetail(await ask(`${url}/v1/sessions/s2`), 404, 'SESSION_NOT_FOUND');
  });

  it('documents every route, and answers as its document says', async () => {
    const { body } = await ask(`${url}/docs/json`);
    const document = z
      .object({
        paths: z.record(z.string(), z.object({ get: z.object({ responses: z.unknown() }) })),
        components: z.object({ schemas: z.record(z.string(), z.unknown()) }),
      })
      .parse(body);
    assert.deepEqual(Object.keys(document.paths).sort(), [
      '/v1/appliances',
      '/v1/appliances/{appliance}',
      '/v1/appliances/{appliance}/versions',
      '/v1/appliances/{appliance}/versions/{version}/servers',
      '/v1/appliances/{appliance}/versions/{version}/sharers',
      '/v1/health',
      '/v1/peers',
      '/v1/sessions',
      '/v1/sessions/{id}',
    ]);
    const schemaOf = (path: string, status: number, type: string): z.ZodType => {
      const { responses } = document.paths[path]!.get as {
        responses: Record<number, { content: Record<string, { schema: object }> }>;
      };
      const local = JSON.stringify({
        ...responses[status]!.content[type]!.schema,
        $defs: document.components.schemas,
      }).replaceAll('#/components/schemas/', '#/$defs/');
      return z.fromJSONSchema(JSON.parse(local) as z.core.JSONSchema.JSONSchema);
    };
    for (const path of Object.keys(document.paths)) {
      const real = path
        .replace('{appliance}', id())
        .replace('{version}', '1')
        .replace('{id}', 's1');
      const answer = await ask(url + real);
      assert.equal(answer.status, 200, real);
      const schema = schemaOf(path, 200, 'application/json');
      schema.parse(answer.body);
      assert.throws(() => schema.parse({}), `the schema of ${path} takes anything`);

      if (real === path) continue;
      const nobody = encodeURIComponent(`nobody@${node.peerId}`);
      const absent = path
        .replace('{appliance}', nobody)
        .replace('{version}', '1')
        .replace('{id}', 's9');
      const refusal = await ask(url + absent);
      assert.equal(refusal.status, 404, absent);
      schemaOf(path, 404, 'application/problem+json').parse(refusal.body);
    }
  });

  it('shows records with times that no calendar has', async () => {
    const key = generateIdentity();
    const odd = `odd@${key.peerId}`;
    const published = Number.MAX_SAFE_INTEGER;
    const record = signLatest(
      {
        appliance: odd,
        seq: 1,
        version: '1',
        channels: {},
        published: Date.now(),
        validUntil: Date.now() + 60_000,
        history: [{ version: '1', published, manifest: null, bootProfile: null }],
      },
      key,
    );
    await node.tables.putLatest(record);
    assert.equal((await ask(`${url}/v1/appliances`)).status, 200);
    const { body } = await ask(`${url}/v1/appliances/${odd}`);
    const { versions } = body as { versions: { published: string }[] };
    assert.equal(versions[0]?.published, '9999-12-31T23:59:59.999Z');
  });

  it('answers 404 for an appliance that nobody has published', async () => {
    const nobody = `nobody@${node.peerId}`;
    for (const rest of ['', '/versions', '/versions/1/servers', '/versions/1/sharers']) {
      const answer = await ask(`${url}/v1/appliances/${nobody}${rest}`);
      const detail = problemDetail(answer, 404, 'APPLIANCE_NOT_FOUND');
      assert.ok(detail.includes(nobody));
    }
  });

  it('answers 404 for a version that is not there', async () => {
    for (const rest of ['servers', 'sharers']) {
      const answer = await ask(`${url}/v1/appliances/${id()}/versions/9/${rest}`);
      assert.match(problemDetail(answer, 404, 'VERSION_NOT_FOUND'), /no version 9/);
    }
  });

  it('answers 400 for parameters that are not well-formed, and says what is wrong', async () => {
    const bad: [string, RegExp][] = [
      ['debian', /expected NAME@PEERID/],
      ['debian@nobody', /not an Ed25519 peer id/],
      [encodeURIComponent(`../x@${node.peerId}`), /not an appliance name/],
      [`${id()}/versions/%20/servers`, /not a version/],
    ];
    for (const [path, expected] of bad) {
      const answer = await ask(`${url}/v1/appliances/${path}`);
      assert.match(problemDetail(answer, 400, 'INVALID_PARAMETER'), expected);
    }
    problemDetail(await ask(`${url}/v1/appliances/%zz`), 400, 'INVALID_REQUEST');
  });
});
