/**
 * Machines without a disk: PXE, iPXE, kernel and initrd out of the image, NFS root through the proxy, Debian
 * with systemd up. In a network of their own, under software emulation, with the image server far away.
 */
import assert from 'node:assert/strict';
import { open, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { execa } from 'execa';
import { debianAppliance } from '../support/debian-appliance.ts';
import {
  BRIDGE,
  type DisklessNetwork,
  disklessNetwork,
  DisklessMachine,
  KERNEL_OPTIONS,
} from '../support/diskless-network.ts';
import type { Guest } from '../support/guest.ts';
import { relayInNetwork } from '../support/relay-in-network.ts';
import { requires } from '../support/requirements.ts';
import { askRowfs, type RowfsDaemon, type RowfsOptions, startRowfs } from '../support/rowfs.ts';
import { type TestScope, testScope } from '../support/test-scope.ts';

type ReadyServer = { readonly port: number };
type ReadyNode = { readonly addresses: readonly string[] };
type BootedSession = {
  readonly version: string;
  readonly notices: readonly string[];
  readonly servers: readonly { address: string; blocks: { good: number; bad: number } }[];
  readonly machine: Readonly<Record<'state' | 'booted' | 'staged' | 'rollback' | 'failed', string>>;
};

const MAC = '52:54:00:77:00:02';
/** The shorter of the papers' two links. */
const LINK = { roundTripMs: 23, bytesPerSecond: 12_500_000 };
/** Less than a machine takes that asks again: what did not come up then is given up. */
const UP_WITHIN = '20s';

class Rack {
  readonly directory: string;
  readonly #scope: TestScope;
  readonly #network: DisklessNetwork;

  constructor(scope: TestScope, network: DisklessNetwork) {
    this.#scope = scope;
    this.#network = network;
    this.directory = scope.directory;
  }

  user(owner: string, registry: readonly string[] = []): RowfsOptions {
    const { directory } = this;
    return { directory, owner, registry, enter: this.#network.enter, timeoutMs: 120_000 };
  }

  async node(port = 0): Promise<RowfsDaemon<ReadyNode>> {
    const listen = ['--listen', `/ip4/127.0.0.1/tcp/${port}`, '--rest', '127.0.0.1:0'];
    return this.#scope.own(
      await startRowfs<ReadyNode>(['node', '--alone', ...listen], this.user('node')),
    );
  }

  async serve(tree: string, owner: string, port = 0): Promise<RowfsDaemon<ReadyServer>> {
    const args = ['serve', tree, '--listen', `127.0.0.1:${port}`];
    return this.#scope.own(await startRowfs<ReadyServer>(args, this.user(owner)));
  }

  async boot(appliance: string, registry: readonly string[]): Promise<RowfsDaemon<object>> {
    return this.#scope.own(
      await startRowfs(
        [
          ...['boot', appliance, '--interface', BRIDGE, '--upgrade', 'carry', '--lease', '5s'],
          '--router-advertisements',
          ...['--up-within', UP_WITHIN, '--append', KERNEL_OPTIONS, '--rest', '127.0.0.1:0'],
        ],
        this.user('rack', registry),
      ),
    );
  }

  /** What `rowfs status` tells of the only machine. */
  async status(): Promise<BootedSession> {
    const { daemons } = await askRowfs<{
      daemons: { command: string; sessions: BootedSession[] }[];
    }>(['status'], this.user('rack'));
    const session = daemons.find(({ command }) => command === 'boot')?.sessions[0];
    assert.ok(session !== undefined);
    return session;
  }

  /** Resolves when that is so of the machine. */
  async until(isSo: (machine: BootedSession['machine']) => boolean): Promise<BootedSession> {
    for (;;) {
      const status = await this.status();
      if (isSo(status.machine)) return status;
      await pause(500);
    }
  }

  untilUp(): Promise<BootedSession> {
    return this.until(({ state }) => state === 'up');
  }
}

async function copyOf(tree: string, to: string): Promise<string> {
  await execa('cp', ['-a', '--reflink=auto', tree, to]);
  return to;
}

/** Changes a byte of each 4 KiB, in place and unseen from its attributes. */
async function damage(path: string): Promise<void> {
  const { size, mtime, atime } = await stat(path);
  const file = await open(path, 'r+');
  try {
    for (let at = 100; at < size; at += 4096) {
      const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
      buffer[0] = (buffer[0] ?? 0) ^ 1;
      await file.write(buffer, 0, 1, at);
    }
    await file.utimes(atime, mtime);
  } finally {
    await file.close();
  }
}

async function reboot(guest: Guest): Promise<void> {
  await guest.run('systemctl --no-block reboot');
  await guest.ended;
  await guest.close();
}

test(
  'a machine without a disk boots over a long link, outlives all servers, is upgraded and falls back',
  { skip: requires('diskless-boot', 'debian-tree') },
  async (t) => {
    const scope = await testScope(t);
    const { directory } = scope;
    const tree = await debianAppliance();
    const network = scope.own(await disklessNetwork(directory));
    const rack = new Rack(scope, network);
    const node = await rack.node();
    const registry = node.ready.addresses;
    const publisher = rack.user('publisher', registry);
    const publish = async (version: string, ...ports: number[]): Promise<string> => {
      const servers = ports.flatMap((port) => ['--server', `127.0.0.1:${port}:/`]);
      const args = ['publish', 'rack', '--version', version, ...servers];
      return (await askRowfs<{ appliance: string }>(args, publisher)).appliance;
    };
    const decisionOn = async (version: string): Promise<string | undefined> => {
      const { plan } = await askRowfs<{
        plan: { decisions: { version: string; decision: string }[] };
      }>(['gc', 'rack', '--keep', '1', '--grace', '0s'], publisher);
      return plan.decisions.find((each) => each.version === version)?.decision;
    };

    const far = await rack.serve(tree, 'far');
    const link = scope.own(
      await relayInNetwork(network, directory, { ...LINK, targetPorts: [far.ready.port] }),
    );
    const malicious = await copyOf(tree, join(directory, 'malicious'));
    const near = await rack.serve(malicious, 'malicious');
    const appliance = await publish('v1', link.ports[0] ?? 0, near.ready.port);
    // It was honest while it was looked at.
    await damage(join(malicious, 'usr/lib/x86_64-linux-gnu/libc.so.6'));
    await damage(join(malicious, 'usr/lib/systemd/systemd'));

    const boot = await rack.boot(appliance, registry);
    const machine = await DisklessMachine.connect({ network, directory, name: 'tap0', mac: MAC });
    const first = scope.own(await machine.switchOn());
    // The only honest server dies as systemd starts, and comes back.
    await first.writes(/Welcome to .*Debian/, 300_000);
    await far.process.kill('SIGKILL');
    await rack.serve(tree, 'far-again', far.ready.port);
    await first.booted;
    const { servers } = await rack.untilUp();
    const liar = servers.find(({ address }) => address.includes(`:${near.ready.port}:`));
    assert.ok((liar?.blocks.bad ?? 0) > 0, 'the malicious server is named');
    await first.run('echo written >/etc/written && sync');

    // A newer version is out: the one in use is kept.
    const next = await copyOf(tree, join(directory, 'v2'));
    await writeFile(join(next, 'etc/rowfs-version'), 'v2\n');
    await askRowfs(['image', 'build', next], publisher);
    await publish('v2', (await rack.serve(next, 'v2')).ready.port);
    assert.equal(await decisionOn('v1'), 'keep');

    // The registry dies, and then what serves the root: the machine waits, and goes on.
    const working = first.run(
      'cp -a /usr/bin /var/tmp/bin && echo 3 >/proc/sys/vm/drop_caches && diff -r /usr/bin /var/tmp/bin && sync',
      { timeoutMs: 240_000 },
    );
    await node.process.kill('SIGKILL');
    await boot.process.kill('SIGKILL');
    const bootAgain = await rack.boot(appliance, registry);
    await working;
    const { stdout: log } = await first.run('dmesg --level=emerg,alert,crit,err');
    assert.doesNotMatch(log, /nfs|I\/O error/i);

    const port = Number(/tcp\/(\d+)/.exec(registry[0] ?? '')?.[1]);
    await rack.node(port);
    // Until then it would boot what was the newest when somebody could be asked.
    await rack.until(({ staged }) => staged === 'v2');
    await reboot(first);
    const second = scope.own(await machine.switchOn());
    await second.booted;
    const { stdout } = await second.run(
      'cat /etc/rowfs-version /etc/written && diff -r /usr/bin /var/tmp/bin',
    );
    assert.equal(stdout, 'v2\nwritten\n');
    const { version, machine: upgraded } = await rack.untilUp();
    assert.deepEqual([version, upgraded.rollback], ['v2', 'v1']);
    assert.equal(await decisionOn('v1'), 'delete');

    // One that does not come up is given up.
    const broken = await copyOf(next, join(directory, 'v3'));
    await writeFile(join(broken, 'usr/lib/systemd/systemd'), '#!/bin/sh\nexit 1\n');
    await askRowfs(['image', 'build', broken], publisher);
    await publish('v3', (await rack.serve(broken, 'v3')).ready.port);
    await rack.until(({ staged }) => staged === 'v3');
    await reboot(second);
    const third = scope.own(await machine.switchOn());
    await third.ended;
    await third.close();
    const fourth = scope.own(await machine.switchOn());
    await fourth.booted;
    const after = await rack.status();
    const { booted, failed } = after.machine;
    assert.deepEqual({ booted, failed }, { booted: 'v2', failed: 'v3' });
    assert.match(after.notices.join('\n'), /version v3 did not come up/);

    // What was published last is kept in any case; what a machine runs, until it is switched off.
    assert.equal(await decisionOn('v2'), 'keep');
    await fourth.close();
    await rack.until(({ state }) => state === 'off');
    assert.equal(await decisionOn('v2'), 'delete');
    await bootAgain.stop();

    const { same } = await askRowfs<{ same: boolean }>(
      ['image', 'verify', join(tree, '.rowfs/manifest'), tree],
      publisher,
    );
    assert.ok(same, 'no image was written to');
  },
);
