/**
 * The attacks on software updates by their names in The Update Framework (TUF specification 1.0.33,
 * section 1.5.2), and those on a DHT: what the reader does. Every storing node may lie in any of them.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { generateIdentity, type Identity } from './identity.ts';
import {
  announceKey,
  announceRevocation,
  protectedMandate,
  revokedMandate,
  successorMandate,
} from './key-change.ts';
import type { Mandate } from './latest-writer.ts';
import type { RequestHandler } from './protocol/messages.ts';
import { createPublisher, type Publisher } from './publisher.ts';
import { MAX_SEQ, signLatest, type Latest, type PublishedFile } from './records/latest.ts';
import { signServerEntry, type ServerEntry } from './records/server-entry.ts';
import { encodeCbor, MAX_RECORD_BYTES } from './records/signed-record.ts';
import { signRecovery, signSuccession } from './records/succession.ts';
import { createResolver, type Resolution, type ResolveOptions } from './resolver.ts';
import { MAX_SERVERS_BROUGHT } from './tables/servers-table.ts';
import { patiently } from './twin/patiently.ts';
import type { TwinNode } from './twin/twin-node.ts';
import { createTwinNetwork, type TwinNetwork } from './twin/twin-network.ts';

const NODES = 8;
const DAY_MS = 86_400_000;
const nas = { host: 'nas', port: 2049, exportPath: '/srv' };
const image = (version: string): PublishedFile => ({
  digest: new Uint8Array(32).fill(Number(version)),
  bytes: 4000,
});

/** What a lying node answers; what is not here, it does not answer. */
type Lies = Partial<Record<string, unknown>>;

class Bench {
  readonly twin: TwinNetwork;
  readonly key: Identity;
  readonly publisher: Publisher;
  readonly appliance: string;
  /** Has read version 1 by the time the attack begins. */
  readonly reader: TwinNode;

  constructor(twin: TwinNetwork, key: Identity, publisher: Publisher, reader: TwinNode) {
    this.twin = twin;
    this.key = key;
    this.publisher = publisher;
    this.reader = reader;
    this.appliance = publisher.applianceId('debian');
  }

  run<T>(work: Promise<T>): Promise<T> {
    return patiently(this.twin.clock, work);
  }

  publish(version: string): Promise<unknown> {
    const request = { name: 'debian', version, servers: [nas], manifest: image(version) };
    return this.run(this.publisher.publish(request));
  }

  resolve(node = this.reader, options: ResolveOptions = {}): Promise<Resolution> {
    return this.run(createResolver(node).resolve(this.appliance, options));
  }

  /** One that has never read anything. */
  async newReader(): Promise<TwinNode> {
    const node = await this.twin.add({ mode: 'client' });
    for (const { peerId } of this.twin.nodes) node.routing.answered({ id: peerId, addresses: [] });
    return node;
  }

  /** The record that honest nodes hold now. */
  async record(): Promise<Uint8Array> {
    const { record } = await this.run(this.twin.nodes[0]!.tables.getLatest(this.appliance));
    return record!.bytes;
  }

  async latest(change: Partial<Latest> = {}): Promise<Latest> {
    const { record } = await this.run(this.twin.nodes[0]!.tables.getLatest(this.appliance));
    return { ...record!.payload, ...change };
  }

  /** From now on these nodes, or all, tell lies. */
  lie(lies: Lies, count = NODES): void {
    const handler = (async (_from: string, { op }: { op: string }) => {
      if (op === 'find-node') return { closer: [] };
      if (op in lies) return lies[op];
      throw new Error('a liar does no more than it must');
    }) as unknown as RequestHandler;
    for (const { peerId } of this.twin.nodes.slice(0, count)) {
      this.twin.network.serve(peerId, handler);
    }
  }

  /** Puts a record as a thief of the key would: straight to every node. */
  async force(payload: Latest, key: Identity): Promise<void> {
    const thief = await this.newReader();
    await this.run(thief.tables.putLatest(signLatest(payload, key)));
  }
}

describe('attack', () => {
  let stateDir: string;
  before(async () => {
    stateDir = await mkdtemp(join(tmpdir(), 'rowfs-attacks-'));
  });
  after(() => rm(stateDir, { recursive: true }));

  async function setUp(mandateOf: (key: Identity) => Mandate | undefined = () => undefined) {
    const twin = await createTwinNetwork(NODES);
    const key = generateIdentity();
    const mandate = mandateOf(key);
    const publisher = createPublisher({
      node: await twin.add({ mode: 'client' }),
      key,
      ...(mandate !== undefined && { mandate }),
      stateDir,
      verifyServer: async () => undefined,
    });
    const reader = await twin.add({ mode: 'client' });
    const bench = new Bench(twin, key, publisher, reader);
    await bench.publish('1');
    assert.equal((await bench.resolve()).version, '1');
    return bench;
  }

  it('rollback: an older record is refused; the reader goes on with the newest it saw, and says stale since', async () => {
    const bench = await setUp();
    const old = await bench.record();
    await bench.publish('2');
    assert.equal((await bench.resolve()).version, '2');
    const seenAt = bench.twin.clock.now();
    bench.lie({ 'get-latest': { record: old } });
    const { refusals } = await bench.run(bench.reader.tables.getLatest(bench.appliance));
    assert.equal(refusals[0]?.code, 'ROLLBACK');
    const found = await bench.resolve();
    assert.equal(found.version, '2');
    assert.ok(found.staleSince !== undefined && found.staleSince.getTime() <= seenAt);
  });

  it('freeze: a record that is shown for ever ends with its validity, for old readers and new ones', async () => {
    const bench = await setUp();
    const frozen = await bench.record();
    const { entries } = await bench.run(bench.reader.tables.getServers(bench.appliance, '1'));
    const records = entries.map(({ bytes }) => bytes);
    await bench.publish('2');
    bench.lie({ 'get-latest': { record: frozen }, 'get-servers': { records } });
    const during = await bench.resolve();
    assert.deepEqual([during.version, during.staleSince], ['1', undefined], 'at most 30 days');
    await bench.twin.clock.advance(31 * DAY_MS);
    const later = await bench.resolve();
    assert.equal(later.version, '1');
    assert.ok(later.staleSince !== undefined, 'it goes on, and says so');
    await assert.rejects(bench.resolve(await bench.newReader()), { code: 'EXPIRED' });
  });

  it('fast-forward: a record from the future is refused, so that no later one is locked out', async () => {
    const bench = await setUp();
    const published = bench.twin.clock.now() + 2 * DAY_MS;
    const ahead = signLatest(await bench.latest({ seq: 99, published }), bench.key);
    bench.lie({ 'get-latest': { record: ahead.bytes } }, 3);
    const { refusals } = await bench.run(bench.reader.tables.getLatest(bench.appliance));
    assert.ok(refusals.every(({ code }) => code === 'FROM_THE_FUTURE'));
    const found = await bench.resolve();
    assert.deepEqual([found.latest.seq, found.staleSince], [1, undefined]);
  });

  it('fast-forward by a thief of the key: numbers that are used up begin anew with the next key', async () => {
    const bench = await setUp();
    await bench.force(await bench.latest({ seq: MAX_SEQ }), bench.key);
    assert.equal((await bench.resolve()).latest.seq, MAX_SEQ);
    const successor = generateIdentity();
    const mandate = successorMandate(
      { mandate: { publisher: bench.key.peerId }, by: bench.key, at: bench.twin.clock.now() },
      successor,
    );
    const node = await bench.newReader();
    await bench.run(announceKey({ node, key: successor, mandate }, bench.appliance));
    const found = await bench.resolve();
    assert.deepEqual([found.latest.seq, found.staleSince], [1, undefined]);
  });

  it('mix-and-match: a version, its image and its servers are bound to each other by signatures', async () => {
    const bench = await setUp();
    await bench.publish('2');
    const { tables } = bench.twin.nodes[0]!;
    const ofOne = await bench.run(tables.getServers(bench.appliance, '1'));
    const other = signLatest(
      await bench.latest({ appliance: `other@${bench.key.peerId}` }),
      bench.key,
    );
    bench.lie({
      'get-latest': { record: await bench.record() },
      'get-servers': { records: ofOne.entries.map(({ bytes }) => bytes) },
    });
    const read = await bench.run(bench.reader.tables.getServers(bench.appliance, '2'));
    assert.deepEqual(read.entries, []);
    assert.deepEqual([...new Set(read.refusals.map(({ code }) => code))], ['WRONG_KEY']);
    await assert.rejects(bench.resolve(), { code: 'NO_SERVERS' });
    bench.lie({ 'get-latest': { record: other.bytes } });
    await assert.rejects(bench.resolve(await bench.newReader()), { code: 'WRONG_KEY' });
  });

  it('endless data: what is too large is refused unread, and the good answer is taken', async () => {
    const bench = await setUp();
    const junk = Array.from({ length: 200 }, (_, i) =>
      new Uint8Array(MAX_RECORD_BYTES + 1).fill(i),
    );
    bench.lie({ 'get-latest': { record: junk[0] }, 'get-servers': { records: junk } }, 3);
    const found = await bench.resolve();
    assert.deepEqual([found.version, found.servers.length, found.staleSince], ['1', 1, undefined]);
    const { refusals } = await bench.run(bench.reader.tables.getServers(bench.appliance, '1'));
    assert.ok(refusals.every(({ code }) => code === 'OVERSIZED'));
  });

  it("wrong software: nobody but the publisher's key names a version or an image", async () => {
    const bench = await setUp();
    const stranger = generateIdentity();
    const evil = await bench.latest({
      seq: 50,
      history: [{ version: '1', published: 0, manifest: image('6'), bootProfile: null }],
    });
    const forged = encodeCbor([bench.key.peerId, encodeCbor(evil), new Uint8Array(64)]);
    const takenOver = signSuccession(
      {
        publisher: bench.key.peerId,
        from: bench.key.peerId,
        to: stranger.peerId,
        at: 0,
        recovery: null,
      },
      stranger,
    );
    const succession = [takenOver];
    for (const record of [
      forged,
      encodeCbor([stranger.peerId, encodeCbor(evil), stranger.sign(encodeCbor(evil))]),
      encodeCbor([stranger.peerId, encodeCbor({ ...evil, succession }), new Uint8Array(64)]),
    ]) {
      bench.lie({ 'get-latest': { record } });
      await assert.rejects(bench.resolve(await bench.newReader()), { code: 'FORGED_SIGNATURE' });
      assert.deepEqual((await bench.resolve()).manifest, image('1'));
    }
    assert.throws(() => signLatest({ ...evil, succession }, stranger), { code: 'WRONG_PUBLISHER' });
  });

  it('malicious mirror: it may announce itself, but not vouch for itself, nor say what the image is', async () => {
    const bench = await setUp();
    const mirror = await bench.twin.add({ mode: 'client' });
    const entry: ServerEntry = {
      appliance: bench.appliance,
      version: '1',
      server: mirror.peerId,
      address: { host: 'evil', port: 2049, exportPath: '/srv' },
      holdings: 'full',
      load: 0,
      seq: 1,
      expires: bench.twin.clock.now() + DAY_MS,
      withdrawn: false,
    };
    await bench.run(mirror.tables.putServer(signServerEntry(entry, mirror.identity)));
    const vouched = { ...entry, server: 'evil:2049:/srv' };
    await assert.rejects(
      bench.run(mirror.tables.putServer(signServerEntry(vouched, mirror.identity))),
      { code: 'WRONG_PUBLISHER' },
    );
    const found = await bench.resolve();
    assert.deepEqual(
      found.servers.map(({ address, endorsed }) => [address.host, endorsed]),
      [
        ['nas', true],
        ['evil', false],
      ],
    );
    assert.deepEqual(found.manifest, image('1'), 'by which each of its blocks is judged');
  });

  it('eclipse of a key by colluding nodes: who knew it goes on and says stale since; a new reader gets nothing wrong', async () => {
    const bench = await setUp();
    const old = await bench.record();
    await bench.publish('2');
    await bench.resolve();
    for (const record of [null, old, new Uint8Array(9)]) {
      bench.lie({ 'get-latest': { record }, 'get-servers': { records: [] } });
      const found = await bench.resolve();
      assert.equal(found.version, '2');
      assert.ok(found.staleSince !== undefined);
    }
    bench.lie({ 'get-latest': { record: null } });
    await assert.rejects(bench.resolve(await bench.newReader()), { code: 'APPLIANCE_NOT_FOUND' });
  });

  describe('key compromise', () => {
    const recovery = generateIdentity();
    const withRecovery = (key: Identity): Mandate =>
      protectedMandate({ publisher: key.peerId }, key, recovery.peerId);

    it('with a recovery key the thief can neither replace the key nor name another recovery key', async () => {
      const bench = await setUp(withRecovery);
      const thief = generateIdentity();
      const publisher = bench.key.peerId;
      const from = { publisher, from: publisher, to: thief.peerId, at: 0 };
      const rest = await bench.latest({ seq: 9 });
      delete rest.recovery;
      const statement = signRecovery({ publisher, recovery: thief.peerId }, bench.key);
      const records = [
        signLatest(
          { ...rest, succession: [signSuccession({ ...from, recovery: null }, bench.key)] },
          thief,
        ),
        signLatest(
          { ...rest, succession: [signSuccession({ ...from, recovery: statement }, thief)] },
          thief,
        ),
        signLatest({ ...rest, recovery: statement }, bench.key),
        signLatest(rest, bench.key),
      ];
      for (const { bytes } of records) {
        const put = bench.twin.nodes[0]!.replicas.ask<'put-latest'>(
          { id: bench.twin.nodes[1]!.peerId, addresses: [] },
          { op: 'put-latest', appliance: bench.appliance, record: bytes },
        );
        await assert.rejects(bench.run(put), { code: 'KEY_CONFLICT' });
      }
      for (const { bytes } of records) {
        bench.lie({ 'get-latest': { record: bytes } });
        const { refusals } = await bench.run(bench.reader.tables.getLatest(bench.appliance));
        assert.equal(refusals[0]?.code, 'KEY_CONFLICT');
        assert.deepEqual((await bench.resolve()).latest.seq, 1);
      }
    });

    it('the successor takes over from any record of the thief; the old key publishes nothing any more', async () => {
      const bench = await setUp(withRecovery);
      const evil = { version: '6', published: 0, manifest: image('6'), bootProfile: null };
      const stolen = await bench.latest();
      await bench.force(
        { ...stolen, seq: 1000, version: '6', history: [evil, ...stolen.history] },
        bench.key,
      );
      const before = await bench.run(bench.reader.tables.getLatest(bench.appliance));
      assert.equal(
        before.record?.payload.version,
        '6',
        'until the owner acts, the key is believed',
      );
      const successor = generateIdentity();
      const change = { mandate: withRecovery(bench.key), by: recovery, at: bench.twin.clock.now() };
      const mandate = successorMandate(change, successor);
      const node = await bench.newReader();
      await bench.run(announceKey({ node, key: successor, mandate }, bench.appliance, ['1']));
      const found = await bench.resolve();
      assert.deepEqual([found.version, found.latest.history.length], ['1', 1]);
      assert.equal(found.servers[0]?.endorsed, true, 'vouched for by the new key');
      await assert.rejects(bench.publish('7'), { code: 'KEY_REVOKED' });
      bench.lie({
        'get-latest': { record: signLatest({ ...stolen, seq: 5000 }, bench.key).bytes },
      });
      const { refusals } = await bench.run(bench.reader.tables.getLatest(bench.appliance));
      assert.equal(refusals[0]?.code, 'REVOKED_KEY');
    });

    it('without a recovery key what was seen first stays: a second successor is refused', async () => {
      const bench = await setUp();
      const successor = generateIdentity();
      const publisher = bench.key.peerId;
      const change = { mandate: { publisher }, by: bench.key, at: 1 };
      const mandate = successorMandate(change, successor);
      const node = await bench.newReader();
      await bench.run(announceKey({ node, key: successor, mandate }, bench.appliance));
      await bench.resolve();
      const thief = generateIdentity();
      const { succession } = successorMandate(change, thief);
      const late = signLatest(
        { ...(await bench.latest()), seq: 9000, succession: succession! },
        thief,
      );
      bench.lie({ 'get-latest': { record: late.bytes } });
      const { refusals } = await bench.run(bench.reader.tables.getLatest(bench.appliance));
      assert.equal(refusals[0]?.code, 'KEY_CONFLICT');
    });

    it('a revoked key publishes nothing, also to a reader that had followed a successor', async () => {
      const bench = await setUp();
      const publisher = bench.key.peerId;
      const change = { mandate: { publisher }, by: bench.key, at: 1 };
      const thief = generateIdentity();
      const stolen = successorMandate(change, thief);
      await bench.force(
        { ...(await bench.latest()), seq: 7, succession: stolen.succession! },
        thief,
      );
      assert.equal((await bench.resolve()).latest.seq, 7);
      const node = await bench.newReader();
      await bench.run(announceRevocation(node, bench.key, revokedMandate(change), bench.appliance));
      for (const each of [bench.reader, await bench.newReader()]) {
        await assert.rejects(bench.resolve(each), { code: 'KEY_REVOKED' });
      }
      await assert.rejects(bench.publish('2'), { code: 'KEY_REVOKED' });
      bench.lie({ 'get-latest': { record: null } });
      await assert.rejects(bench.resolve(), { code: 'KEY_REVOKED' }, 'for ever');
    });
  });

  it('one peer cannot fill the table of servers, nor drive out honest ones', async () => {
    const bench = await setUp();
    const sybil = await bench.newReader();
    const node = { id: bench.twin.nodes[0]!.peerId, addresses: [] };
    const announce = (by: TwinNode, key: Identity, host: string): Promise<unknown> => {
      const entry: ServerEntry = {
        appliance: bench.appliance,
        version: '1',
        server: key.peerId,
        address: { host, port: 2049, exportPath: '/srv' },
        holdings: 'full',
        load: 0,
        seq: 1,
        expires: bench.twin.clock.now() + DAY_MS,
        withdrawn: false,
      };
      const record = signServerEntry(entry, key).bytes;
      const { appliance } = bench;
      return bench.run(
        by.replicas.ask<'put-server'>(node, { op: 'put-server', appliance, version: '1', record }),
      );
    };
    const held = async (): Promise<string[]> => {
      const request = { op: 'get-servers', appliance: bench.appliance, version: '1' } as const;
      const { records } = await bench.run(sybil.replicas.ask<'get-servers'>(node, request));
      return records.map((bytes) => Buffer.from(bytes).toString('latin1'));
    };
    for (let i = 0; i < MAX_SERVERS_BROUGHT; i += 1) {
      await announce(sybil, generateIdentity(), `minted-${i}`);
    }
    await assert.rejects(announce(sybil, generateIdentity(), 'more'), { code: 'QUOTA_EXCEEDED' });
    const others = await Promise.all(
      Array.from({ length: 7 }, () => bench.twin.add({ mode: 'client' })),
    );
    for (const other of others) {
      for (let i = 0; i < MAX_SERVERS_BROUGHT; i += 1) {
        await announce(other, generateIdentity(), `minted-too-${i}`).catch(() => undefined);
      }
    }
    assert.equal((await held()).length, 128, 'full of what was minted');
    const honest = await bench.newReader();
    await announce(honest, honest.identity, 'honest');
    const now = await held();
    assert.ok(now.some((record) => record.includes('honest')));
    assert.ok(
      now.some((record) => record.includes('nas')),
      "the publisher's own stays",
    );
  });
});
