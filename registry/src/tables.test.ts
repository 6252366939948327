import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { RecordRefusal, RegistryError } from './errors.ts';
import { generateIdentity } from './identity.ts';
import { compareDistance, latestKey, peerKey, serversKey, sharersKey } from './kad-key.ts';
import { signLatest, type Latest, type SignedLatest } from './records/latest.ts';
import { formatServerAddress } from './records/server-address.ts';
import { signServerEntry, type ServerEntry } from './records/server-entry.ts';
import { encodeCbor } from './records/signed-record.ts';
import { REPLICATION } from './replicas.ts';
import { createResolver } from './resolver.ts';
import { createTwinNetwork, type TwinNetwork } from './twin/twin-network.ts';
import type { RequestHandler } from './protocol/messages.ts';

const publisher = generateIdentity();
const appliance = `debian@${publisher.peerId}`;
const address = { host: '10.0.0.5', port: 2049, exportPath: '/srv/debian' };

function latest(twin: TwinNetwork, seq: number, change: Partial<Latest> = {}): SignedLatest {
  const version = `v${seq}`;
  const published = twin.clock.now();
  const payload: Latest = {
    appliance,
    seq,
    version,
    channels: {},
    published,
    validUntil: published + 86_400_000,
    history: [{ version, published, manifest: null, bootProfile: null }],
    ...change,
  };
  return signLatest(payload, publisher);
}

function serverEntry(twin: TwinNetwork, change: Partial<ServerEntry> = {}): ServerEntry {
  return {
    appliance,
    version: 'v1',
    server: formatServerAddress(address),
    address,
    holdings: 'full',
    load: 0,
    seq: 1,
    expires: twin.clock.now() + 3_600_000,
    withdrawn: false,
    ...change,
  };
}

/** The ids of the nodes that should hold a key, by brute force. */
function closestIds(twin: TwinNetwork, key: Uint8Array): string[] {
  return twin.nodes
    .map(({ peerId }) => peerId)
    .sort((a, b) => compareDistance(key, peerKey(a), peerKey(b)))
    .slice(0, REPLICATION);
}

/** Makes nodes answer `get-latest` with these bytes whatever they hold, and name only `friends`. */
function makeLie(
  twin: TwinNetwork,
  ids: readonly string[],
  bytes: Uint8Array | null,
  friends: readonly string[] = [],
): void {
  const lie = (async (_from: string, { op }: { op: string }) => {
    if (op === 'get-latest') return { record: bytes };
    if (op === 'find-node') return { closer: friends.map((id) => ({ id, addresses: [] })) };
    throw new Error('a liar does no more than it must');
  }) as unknown as RequestHandler;
  for (const id of ids) twin.network.serve(id, lie);
}

describe('placement', () => {
  it('is on the closest nodes of all, whoever looks', async () => {
    const twin = await createTwinNetwork(60);
    const client = await twin.add({ mode: 'client' });
    for (const node of [client, twin.nodes[7]!, twin.nodes[59]!]) {
      for (const name of ['a', 'b', 'c']) {
        const key = serversKey(appliance, name);
        const { replicas, missing } = await twin.clock.until(node.replicas.place(key));
        assert.deepEqual(
          replicas.map(({ id }) => id),
          closestIds(twin, key),
        );
        assert.deepEqual(missing, []);
      }
    }
  });

  it('does not wait for hung nodes, and names them as missing', async () => {
    const twin = await createTwinNetwork(20);
    const client = await twin.add({ mode: 'client' });
    const key = latestKey(appliance);
    const hung = closestIds(twin, key).slice(0, 3);
    for (const id of hung) twin.network.setConduct(id, 'hung');
    const started = twin.clock.now();
    const first = await twin.clock.until(client.replicas.place(key));
    assert.ok(twin.clock.now() - started < 1500, 'sooner than the request timeout');
    assert.equal(first.replicas.length, REPLICATION);
    assert.deepEqual(first.missing.map(({ id }) => id).sort(), [...hung].sort());
    await twin.clock.advance(1500);
    const again = twin.clock.now();
    await twin.clock.until(client.replicas.place(key));
    assert.ok(twin.clock.now() - again <= 60, 'suspects cost nothing: a few hops of 10 ms');
  });

  it('fails with REGISTRY_UNREACHABLE when nobody answers', async () => {
    const twin = await createTwinNetwork(3);
    const client = await twin.add({ mode: 'client' });
    for (const { peerId } of twin.nodes) twin.network.setConduct(peerId, 'dead');
    await assert.rejects(twin.clock.until(client.tables.getLatest(appliance)), {
      code: 'REGISTRY_UNREACHABLE',
    });
  });
});

describe('latest table', () => {
  it('answers with the newest acknowledged record, with up to 30 % of the nodes dead or hung', async () => {
    const conduct = fc.constantFrom('dead' as const, 'hung' as const);
    const outage = fc.record({ node: fc.nat(9), conduct });
    const run = fc.asyncProperty(
      fc.array(outage, { maxLength: 3 }),
      fc.array(fc.nat(9), { minLength: 1, maxLength: 4 }),
      fc.nat(9),
      async (outages, writers, readerIndex) => {
        const twin = await createTwinNetwork(10);
        const out = new Set(outages.map(({ node }) => node));
        const alive = (index: number) =>
          twin.nodes[[...Array(10).keys()].filter((i) => !out.has(i))[index % (10 - out.size)]!]!;
        let seq = 0;
        for (const writer of writers) {
          seq += 1;
          await twin.clock.until(alive(writer).tables.putLatest(latest(twin, seq)));
          // The outage comes after the first write, so that some nodes keep an old record.
          for (const { node, conduct: how } of outages) {
            twin.network.setConduct(twin.nodes[node]!.peerId, how);
          }
        }
        const read = await twin.clock.until(alive(readerIndex).tables.getLatest(appliance));
        assert.equal(read.record?.payload.seq, seq);
      },
    );
    await fc.assert(run, { numRuns: 25 });
  });

  it('repairs the nodes that missed a write', async () => {
    const twin = await createTwinNetwork(8);
    const [a, b, c] = [twin.nodes[0]!, twin.nodes[1]!, twin.nodes[2]!];
    await twin.clock.until(a.tables.putLatest(latest(twin, 1)));
    twin.network.setConduct(c.peerId, 'dead');
    const newest = latest(twin, 2);
    await twin.clock.until(a.tables.putLatest(newest));
    twin.network.setConduct(c.peerId, 'well');
    b.routing.answered({ id: c.peerId, addresses: [] });
    await twin.clock.until(b.tables.getLatest(appliance));
    await twin.clock.until(b.replicas.close());
    const { holders } = await twin.clock.until(b.tables.countLatestHolders(newest));
    assert.equal(holders, 8);
  });

  it('is refused by the storing nodes with the reason, over the wire', async () => {
    const twin = await createTwinNetwork(3);
    const [one, two] = [await twin.add({ mode: 'client' }), await twin.add({ mode: 'client' })];
    await twin.clock.until(one.tables.putLatest(latest(twin, 5)));
    const put = (bytes: Uint8Array) =>
      twin.clock.until(
        two.replicas.ask<'put-latest'>(
          { id: twin.nodes[0]!.peerId, addresses: [] },
          { op: 'put-latest', appliance, record: bytes },
        ),
      );
    const stranger = generateIdentity();
    const { payload } = latest(twin, 6);
    const forged = encodeCbor([publisher.peerId, encodeCbor(payload), new Uint8Array(64)]);
    const cases: [string, Uint8Array][] = [
      ['ROLLBACK', latest(twin, 4).bytes],
      ['EQUIVOCATION', latest(twin, 5, { channels: { beta: 'v5' } }).bytes],
      ['EXPIRED', latest(twin, 6, { validUntil: twin.clock.now() }).bytes],
      ['WRONG_PUBLISHER', signLatest(payload, stranger).bytes],
      ['WRONG_KEY', latest(twin, 6, { appliance: `other@${publisher.peerId}` }).bytes],
      ['FORGED_SIGNATURE', forged],
      ['MALFORMED', new Uint8Array([0xff])],
      ['OVERSIZED', new Uint8Array(20_000)],
    ];
    for (const [code, bytes] of cases) {
      await assert.rejects(put(bytes), (error) => {
        assert.ok(error instanceof RecordRefusal);
        assert.equal(error.code, code);
        return true;
      });
    }
    assert.equal((await twin.clock.until(two.tables.getLatest(appliance))).record?.payload.seq, 5);
  });

  it('is judged by the reader again: bad records from lying nodes are refused, the good one is found', async () => {
    const twin = await createTwinNetwork(8);
    const writer = twin.nodes[0]!;
    const reader = await twin.add({ mode: 'client' });
    await twin.clock.until(writer.tables.putLatest(latest(twin, 5)));
    await twin.clock.until(writer.replicas.close());
    const { payload } = latest(twin, 9);
    const stranger = generateIdentity();
    const lies: [string, Uint8Array][] = [
      ['FORGED_SIGNATURE', encodeCbor([publisher.peerId, encodeCbor(payload), new Uint8Array(64)])],
      ['WRONG_PUBLISHER', signLatest(payload, stranger).bytes],
      ['WRONG_KEY', latest(twin, 9, { appliance: `other@${publisher.peerId}` }).bytes],
      ['EXPIRED', latest(twin, 9, { validUntil: twin.clock.now() }).bytes],
      ['OVERSIZED', new Uint8Array(20_000)],
      ['MALFORMED', new Uint8Array([1, 2, 3])],
    ];
    const liars = twin.nodes.slice(1, 4).map(({ peerId }) => peerId);
    for (const [code, bytes] of lies) {
      makeLie(twin, liars, bytes);
      const { record, refusals } = await twin.clock.until(reader.tables.getLatest(appliance));
      assert.equal(record?.payload.seq, 5, code);
      assert.ok(
        refusals.every((refusal) => refusal.code === code),
        code,
      );
    }
    // With every node lying, the reason is all that is left.
    const everyone = twin.nodes.map(({ peerId }) => peerId);
    const fresh = await twin.add({ mode: 'client' });
    for (const { peerId } of twin.nodes) fresh.routing.answered({ id: peerId, addresses: [] });
    for (const [code, bytes] of lies) {
      makeLie(twin, everyone, bytes);
      const read = await twin.clock.until(fresh.tables.getLatest(appliance));
      assert.equal(read.record, undefined);
      assert.equal(read.refusals[0]?.code, code);
    }
  });

  it('is never rolled back for a reader who saw a newer one, even if every node lies', async () => {
    const twin = await createTwinNetwork(4);
    const reader = await twin.add({ mode: 'client' });
    await twin.clock.until(twin.nodes[0]!.tables.putLatest(latest(twin, 5)));
    const entry = signServerEntry(serverEntry(twin, { version: 'v5' }), publisher);
    await twin.clock.until(twin.nodes[0]!.tables.putServer(entry));
    const fresh = await twin.clock.until(createResolver(reader).resolve(appliance));
    assert.equal(fresh.version, 'v5');
    assert.equal(fresh.staleSince, undefined);
    const seenAt = twin.clock.now();
    await twin.clock.advance(60_000);

    const everyone = twin.nodes.map(({ peerId }) => peerId);
    makeLie(twin, everyone, latest(twin, 4).bytes);
    const read = await twin.clock.until(reader.tables.getLatest(appliance));
    assert.equal(read.record, undefined);
    assert.equal(read.refusals[0]?.code, 'ROLLBACK');
    const stale = await twin.clock.until(createResolver(reader).resolve(appliance));
    assert.equal(stale.version, 'v5');
    assert.ok(stale.staleSince !== undefined && stale.staleSince.getTime() <= seenAt);
  });

  it('tells an unknown appliance from an unreachable registry', async () => {
    const twin = await createTwinNetwork(3);
    await assert.rejects(twin.clock.until(createResolver(twin.nodes[0]!).resolve(appliance)), {
      code: 'APPLIANCE_NOT_FOUND',
    });
  });
});

describe('an eclipse of a key by colluding nodes', () => {
  /** Nodes closer to `key` than all honest ones, which name each other and tell `record`. */
  function collude(twin: TwinNetwork, key: Uint8Array, record: Uint8Array | null): string[] {
    const honest = closestIds(twin, key)[0]!;
    const ids: string[] = [];
    while (ids.length < REPLICATION) {
      const { peerId } = generateIdentity();
      if (compareDistance(key, peerKey(peerId), peerKey(honest)) < 0) ids.push(peerId);
    }
    makeLie(twin, ids, record, ids);
    return ids;
  }

  it('on one path of the lookup hides nothing from those on the others', async () => {
    const key = latestKey(appliance);
    for (const isSilent of [true, false]) {
      const twin = await createTwinNetwork(40);
      const old = latest(twin, 1);
      await twin.clock.until(twin.nodes[0]!.tables.putLatest(old));
      await twin.clock.until(twin.nodes[0]!.tables.putLatest(latest(twin, 2)));
      const lie = isSilent ? null : old.bytes;
      const reader = await twin.add({ mode: 'client' });
      const colluders = collude(twin, key, lie);
      // The reader knows one node that is theirs, and that one leads to all of them.
      const [guide] = await reader.routing.closest(key, 1);
      makeLie(twin, [guide!.id], lie, colluders);
      const read = await twin.clock.until(reader.tables.getLatest(appliance));
      assert.equal(read.record?.payload.seq, 2);
      const { replicas } = await twin.clock.until(reader.replicas.place(key));
      assert.deepEqual(
        replicas.map(({ id }) => id).sort(),
        [...colluders].sort(),
        'by distance alone they would be all that is asked',
      );
    }
  });
});

describe('servers table', () => {
  it('keeps the newest entry of each server, and none that withdrew', async () => {
    const twin = await createTwinNetwork(8);
    const { tables } = twin.nodes[0]!;
    const own = generateIdentity();
    const put = (change: Partial<ServerEntry>, key = publisher) =>
      twin.clock.until(tables.putServer(signServerEntry(serverEntry(twin, change), key)));
    await put({ server: own.peerId, load: 10 }, own);
    await put({ server: own.peerId, load: 20, seq: 2 }, own);
    await put({});
    const read = () => twin.clock.until(twin.nodes[5]!.tables.getServers(appliance, 'v1'));
    assert.deepEqual(
      (await read()).entries.map(({ payload: { server, load } }) => [server, load]),
      [
        [formatServerAddress(address), 0],
        [own.peerId, 20],
      ],
      'endorsed first',
    );
    await put({ seq: 2, withdrawn: true });
    await assert.rejects(put({}), { code: 'ROLLBACK' });
    assert.deepEqual(
      (await read()).entries.map(({ payload }) => payload.server),
      [own.peerId],
    );
    await twin.clock.advance(3_600_000);
    assert.deepEqual((await read()).entries, []);
  });

  it('is bounded, and always has room for what the publisher vouches for', async () => {
    const twin = await createTwinNetwork(1);
    const { tables } = twin.nodes[0]!;
    const announce = async () => {
      const key = generateIdentity();
      const server = await twin.add({ mode: 'client', identity: key });
      const entry = signServerEntry(serverEntry(twin, { server: key.peerId }), key);
      return twin.clock.until(server.tables.putServer(entry));
    };
    for (let i = 0; i < 128; i += 1) await announce();
    await assert.rejects(announce(), { code: 'QUOTA_EXCEEDED' });
    await twin.clock.until(tables.putServer(signServerEntry(serverEntry(twin), publisher)));
    const { entries } = await twin.clock.until(tables.getServers(appliance, 'v1'));
    assert.equal(entries.length, 128);
    assert.equal(entries[0]?.signer, publisher.peerId);
  });
});

describe('sharers table', () => {
  const lease = { appliance, version: 'v1', lease: 'root', ttlSeconds: 60 };

  it('counts each lease once, for its TTL from receipt, or until it is released', async () => {
    const twin = await createTwinNetwork(8);
    const [a, b] = [await twin.add({ mode: 'client' }), await twin.add({ mode: 'client' })];
    const count = async () => {
      const read = await twin.clock.until(twin.nodes[3]!.tables.getSharers(appliance, 'v1'));
      assert.equal(read.complete, true);
      assert.equal(read.count, read.sharers.length);
      return read.count;
    };
    const grant = await twin.clock.until(a.tables.putLease(lease));
    assert.equal(grant.refreshSeconds, 30);
    await twin.clock.until(a.tables.putLease({ ...lease, lease: 'second' }));
    await twin.clock.until(b.tables.putLease(lease));
    assert.equal(await count(), 3);
    await twin.clock.until(a.tables.releaseLease({ appliance, version: 'v1', lease: 'second' }));
    assert.equal(await count(), 2);
    await twin.clock.advance(40_000);
    await twin.clock.until(a.tables.putLease(lease));
    await twin.clock.advance(40_000);
    assert.equal(await count(), 1, 'b was not heard of for a TTL');
    await twin.clock.advance(60_000);
    assert.equal(await count(), 0);
  });

  it('is incomplete when half of its nodes do not answer', async () => {
    const twin = await createTwinNetwork(8);
    const observer = twin.nodes[0]!;
    await twin.clock.until(observer.tables.putLease(lease));
    for (const { peerId } of twin.nodes.slice(1, 4)) twin.network.setConduct(peerId, 'dead');
    const five = await twin.clock.until(observer.tables.getSharers(appliance, 'v1'));
    assert.deepEqual([five.count, five.complete], [1, true]);
    for (const { peerId } of twin.nodes.slice(4, 5)) twin.network.setConduct(peerId, 'hung');
    const four = await twin.clock.until(observer.tables.getSharers(appliance, 'v1'));
    assert.deepEqual([four.count, four.complete], [1, false]);
    await twin.clock.advance(600_000);
    const later = await twin.clock.until(observer.tables.getSharers(appliance, 'v1'));
    assert.equal(later.complete, false, 'the absent are not forgotten by leaving the table');
  });

  it('is not acknowledged by nodes that are no majority of those who are asked for it', async () => {
    const twin = await createTwinNetwork(20);
    const client = await twin.add({ mode: 'client' });
    const key = sharersKey(appliance, 'v1');
    const { replicas } = await twin.clock.until(client.replicas.place(key));
    // As on the small side of a split: whoever counts on the other side asks these.
    for (const { id } of replicas.slice(0, 4)) twin.network.setConduct(id, 'dead');
    await assert.rejects(twin.clock.until(client.tables.putLease(lease)), {
      code: 'QUORUM_NOT_REACHED',
    });
    twin.network.setConduct(replicas[0]!.id, 'well');
    client.routing.answered(replicas[0]!);
    await twin.clock.until(client.tables.putLease(lease));
  });

  it('gives one client no more leases than its quota', async () => {
    const twin = await createTwinNetwork(1);
    const { tables } = twin.nodes[0]!;
    const put = (i: number) => twin.clock.until(tables.putLease({ ...lease, lease: `l${i}` }));
    for (let i = 0; i < 256; i += 1) await put(i);
    await assert.rejects(put(256), (error) => {
      assert.ok(error instanceof RegistryError);
      assert.equal(error.code, 'QUOTA_EXCEEDED');
      return true;
    });
    await put(7);
  });
});
