import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { noise } from '@chainsafe/libp2p-noise';
import { ping } from '@libp2p/ping';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { pino } from 'pino';
import { generateIdentity, loadKey } from '../identity.ts';
import { createRegistryNode, type RegistryNode, type RegistryNodeSettings } from '../node.ts';
import { REGISTRY_PROTOCOL } from '../protocol/messages.ts';
import { MAX_REVOKED, signCertificate } from './certificates.ts';
import { FleetFiles } from './fleet-files.ts';
import { createInvitation, redeemInvitation } from './invitation.ts';
import type { Membership } from './membership.ts';

const logger = pino({ level: 'silent' });
const HOUR_MS = 3_600_000;

async function startNode(
  t: TestContext,
  settings: Partial<RegistryNodeSettings> = {},
): Promise<RegistryNode> {
  const node = await createRegistryNode({
    ephemeral: true,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    bootstrap: [],
    mode: 'server',
    logger,
    ...settings,
  });
  t.after(() => node.close());
  return node;
}

describe('a private fleet', () => {
  let directory: string;
  let machines = 0;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'rowfs-fleet-'));
  });
  after(() => rm(directory, { recursive: true }));

  function machine(): FleetFiles {
    machines += 1;
    return new FleetFiles(join(directory, String(machines)));
  }

  /** The machine that founded a fleet, and its node. */
  async function found(t: TestContext) {
    const files = machine();
    await files.init();
    const membership = (await files.membership())!;
    const node = await startNode(t, { fleet: membership });
    const fleetKey = await loadKey(files.fleetKeyPath);
    const invite = (expires = Date.now() + HOUR_MS): string =>
      createInvitation(fleetKey, expires, node.addresses());
    return { files, membership, node, fleetKey, invite };
  }

  async function join_(invitation: string, files = machine()): Promise<Membership> {
    const { fleet, certificate } = await redeemInvitation(
      invitation,
      (await files.memberKey()).peerId,
    );
    await files.keepMembership(fleet, certificate);
    return (await files.membership())!;
  }

  it('answers members: a machine that was invited takes part', async (t) => {
    const { node, invite } = await found(t);
    const fleet = await join_(invite());
    const client = await startNode(t, { bootstrap: node.addresses(), mode: 'client', fleet });
    const lease = { appliance: `a@${node.peerId}`, version: '1', lease: 'x', ttlSeconds: 60 };
    await client.tables.putLease(lease);
    assert.equal((await node.tables.getSharers(lease.appliance, '1')).count, 1);
  });

  it('answers nobody else: neither an open node, nor one of another fleet, nor any protocol', async (t) => {
    const { node } = await found(t);
    const other = await found(t);
    for (const fleet of [undefined, other.membership]) {
      const stranger = startNode(t, {
        bootstrap: node.addresses(),
        mode: 'client',
        ...(fleet !== undefined && { fleet }),
      });
      await assert.rejects(stranger, { code: 'REGISTRY_UNREACHABLE' });
    }
    const bare = await createLibp2p({
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: { ping: ping() },
    });
    t.after(() => bare.stop());
    const address = multiaddr(node.addresses()[0]);
    await assert.rejects(bare.dial(address));
    await assert.rejects(bare.dialProtocol(address, REGISTRY_PROTOCOL));
    await assert.rejects(bare.services.ping.ping(address));
    assert.deepEqual(await node.peers(), []);
  });

  it('an invitation is for one machine, and for a time', async (t) => {
    const { invite, node } = await found(t);
    const once = invite();
    const files = machine();
    await join_(once, files);
    await join_(once, files);
    await assert.rejects(join_(once), { code: 'NOT_A_MEMBER' });
    await assert.rejects(join_(invite(Date.now() - 1)), {
      code: 'NOT_A_MEMBER',
      message: /expired/,
    });
    await assert.rejects(join_('rowfs-invite-x'), { code: 'NOT_A_MEMBER' });
    assert.deepEqual(await node.peers(), []);
  });

  it('hangs up on a member that was revoked, everywhere, and lets it in no more', async (t) => {
    const { files, node, membership, invite } = await found(t);
    const [good, bad] = [await join_(invite()), machine()];
    const bootstrap = node.addresses();
    const second = await startNode(t, { bootstrap, fleet: good });
    const badFleet = await join_(invite(), bad);
    const revoked = await startNode(t, { bootstrap: second.addresses(), fleet: badFleet });
    assert.equal(revoked.isConnected, true);
    await membership.takeRevocations(await files.revoke([(await bad.memberKey()).peerId]));
    while (good.revokedMembers.length === 0 || (await revoked.peers()).length > 0) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    for (const door of [node, second]) {
      const again = startNode(t, { bootstrap: door.addresses(), mode: 'client', fleet: badFleet });
      await assert.rejects(again, { code: 'REGISTRY_UNREACHABLE' });
    }
    assert.equal(second.isConnected, true);
  });

  it('a full list of revocations fits into one record, and one more is refused', async () => {
    const files = machine();
    await files.init();
    const membership = (await files.membership())!;
    const members = Array.from({ length: MAX_REVOKED }, () => generateIdentity().peerId);
    await membership.takeRevocations(await files.revoke(members));
    assert.equal(membership.revokedMembers.length, MAX_REVOKED);
    await assert.rejects(files.revoke([generateIdentity().peerId]), { code: 'QUOTA_EXCEEDED' });
    await membership.takeRevocations(await files.revoke(members.slice(0, 1)));
    assert.equal((await files.membership())!.revokedMembers.length, MAX_REVOKED);
  });

  it('a certificate is worth nothing without its key, after its time, or from another fleet', async (t) => {
    const { membership, fleetKey, node } = await found(t);
    const other = await found(t);
    const shown = node.peerId;
    await membership.admit(membership.greeting(shown), shown);
    const thief = generateIdentity().peerId;
    await assert.rejects(membership.admit(membership.greeting(shown), thief), {
      code: 'NOT_A_MEMBER',
    });
    await assert.rejects(membership.admit(other.membership.greeting(shown), shown), {
      code: 'NOT_A_MEMBER',
    });
    const late = machine();
    const { peerId: member } = await late.memberKey();
    const expired = { fleet: fleetKey.peerId, member, role: 'member', expires: 1 } as const;
    await late.keepMembership(fleetKey.peerId, signCertificate(expired, fleetKey));
    await assert.rejects(late.membership(), { code: 'NOT_A_MEMBER', message: /join again/ });
  });
});
