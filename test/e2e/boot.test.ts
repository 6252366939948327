/**
 * A machine without a disk: PXE, iPXE, kernel and initrd out of the image, NFS root through the proxy, Debian
 * with systemd up. In a network of its own, under software emulation, with the image servers far away.
 */
import assert from 'node:assert/strict';
import { copyFile, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { debianAppliance } from '../support/debian-appliance.ts';
import { compileIn, PROGRAM_PRINTS, RUN_PROGRAM, untilCompiled } from '../support/guest-compile.ts';
import {
  type BootedSession,
  Rack,
  recordedProfile,
  type ServerOfSession,
  shutDown,
} from '../support/rack.ts';
import type { LinkSettings } from '../support/relay.ts';
import { requires } from '../support/requirements.ts';
import { askRowfs } from '../support/rowfs.ts';
import { type Stall, SteadyReads } from '../support/steady-reads.ts';
import { testScope } from '../support/test-scope.ts';

/** The papers' two links, at 100 Mbit/s. */
const SHORTER: LinkSettings = { roundTripMs: 23, bytesPerSecond: 12_500_000 };
const LONGER: LinkSettings = { roundTripMs: 68, bytesPerSecond: 12_500_000 };
/** For so long no server has the image, besides what starting one takes. */
const OUTAGE_MS = 5_000;

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

function serverAt({ servers }: BootedSession, port: number): ServerOfSession {
  const server = servers.find(({ address }) => address.includes(`:${port}:`));
  assert.ok(server !== undefined);
  return server;
}

/** What a server brought of the image. */
const blocksOf = (session: BootedSession, port: number): ServerOfSession['blocks'] =>
  serverAt(session, port).blocks;

const bytesFetched = ({ servers }: BootedSession): number =>
  servers.reduce((sum, { blocks }) => sum + blocks.bytes, 0);

const inMebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

const inSeconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

const stalled = ({ longestMs, usualMs }: Stall): string =>
  `${inSeconds(longestMs)} between two reads of the machine, usually ${inSeconds(usualMs)}`;

test(
  'a machine without a disk boots over long links, and outlives all who serve it',
  { skip: requires('diskless-boot', 'debian-tree') },
  async (t) => {
    const scope = await testScope(t);
    const original = await debianAppliance(['gcc', 'libc6-dev']);
    const rack = await Rack.open(scope);
    const node = await rack.node();
    const registry = node.ready.addresses;
    const publisher = rack.user('publisher', registry);
    const publish = async (...ports: number[]): Promise<string> => {
      const servers = ports.flatMap((port) => ['--server', `127.0.0.1:${port}:/`]);
      const args = ['publish', 'rack', '--version', 'v1', ...servers];
      return (await askRowfs<{ appliance: string }>(args, publisher)).appliance;
    };

    const tree = await rack.copyOf(original, 'v1');
    const serve = (owner: string, port = 0) => rack.serve(tree, rack.user(owner), { port });
    const [one, other] = [await serve('one'), await serve('other')];
    const ports = [one.ready.port, other.ready.port] as const;
    const link = await rack.link({ ...SHORTER, targetPorts: ports });
    const [onePort = 0, otherPort = 0] = link.ports;
    const maliciousTree = await rack.copyOf(original, 'malicious');
    const malicious = await rack.serve(maliciousTree, rack.user('malicious'));
    const appliance = await publish(onePort, otherPort, malicious.ready.port);
    // It was honest while it was looked at.
    await damage(join(maliciousTree, 'usr/lib/x86_64-linux-gnu/libc.so.6'));
    await damage(join(maliciousTree, 'usr/lib/systemd/systemd'));
    await other.process.kill('SIGKILL');

    const user = rack.user('rack', registry);
    let boot = await rack.boot(appliance, user);
    const firstAt = performance.now();
    const first = scope.own(await rack.machine.switchOn());
    // The only honest server dies as systemd starts, and comes back.
    await first.writes(/Welcome to .*Debian/, 300_000);
    await one.process.kill('SIGKILL');
    const oneAgain = await serve('one-again', ports[0]);
    await first.booted;
    const firstMs = performance.now() - firstAt;
    const up = await boot.until(({ machine }) => machine.state === 'up');
    const fetched = inMebibytes(bytesFetched(up));
    t.diagnostic(`first boot, 23 ms away: ${inSeconds(firstMs)}, ${fetched} of the image`);
    assert.ok(blocksOf(up, malicious.ready.port).bad > 0, 'the malicious server is named');

    // In the middle of a compile the server dies, and another one is there.
    const otherAgain = await serve('other-again', ports[1]);
    await boot.until((session) => serverAt(session, otherPort).state === 'healthy');
    const reads = SteadyReads.start(first, tree);
    const compiling = compileIn(first);
    compiling.catch(() => undefined);
    await untilCompiled(first, 2);
    const failover = await reads.stallDuring(async () => {
      await oneAgain.process.kill('SIGKILL');
      await untilCompiled(first, 4);
    });
    t.diagnostic(`a server killed, another there: ${stalled(failover)}`);
    const moved = await boot.status();
    assert.ok(blocksOf(moved, otherPort).good > 0, 'the other one took over');

    // Then that one too, and the malicious one, whose other blocks are right: nobody is left for a while.
    const outage = await reads.stallDuring(async () => {
      const left = [otherAgain, malicious];
      await Promise.all(left.map((server) => server.process.kill('SIGKILL')));
      await pause(OUTAGE_MS);
      await serve('one-at-last', ports[0]);
    });
    t.diagnostic(`no server for ${inSeconds(OUTAGE_MS)} and a start: ${stalled(outage)}`);
    assert.equal(await compiling, PROGRAM_PRINTS);
    const back = await boot.status();
    assert.ok(blocksOf(back, onePort).good > blocksOf(moved, onePort).good, 'it was gone back to');

    // The registry dies, and then what serves the root: the machine waits, and goes on.
    await node.process.kill('SIGKILL');
    const working = first.run(
      'cp -a /usr/sbin /var/tmp/sbin && echo 3 >/proc/sys/vm/drop_caches && diff -r /usr/sbin /var/tmp/sbin && sync',
      { timeoutMs: 240_000 },
    );
    working.catch(() => undefined);
    const rootless = await reads.stallDuring(async () => {
      await boot.daemon.process.kill('SIGKILL');
      boot = await rack.boot(appliance, user);
    });
    t.diagnostic(`rowfs boot killed and started anew: ${stalled(rootless)}`);
    await working;
    await reads.stop();
    const { stdout: errors } = await first.run('journalctl --boot --quiet --priority err');
    assert.equal(errors, '');
    await shutDown(first);

    // The second boot, still without a registry.
    const known = await boot.status();
    const secondAt = performance.now();
    const second = await rack.switchOn();
    const secondMs = performance.now() - secondAt;
    const session = await boot.status();
    const more = inMebibytes(bytesFetched(session) - bytesFetched(known));
    t.diagnostic(`second boot, 23 ms away: ${inSeconds(secondMs)}, ${more} more of the image`);
    const { stdout } = await second.run(`${RUN_PROGRAM} && diff -r /usr/sbin /var/tmp/sbin`);
    assert.equal(stdout, PROGRAM_PRINTS);
    await second.close();
    await boot.daemon.stop();

    // Another rack, farther away, is told what the boots of the first one read.
    await rack.node(Number(/tcp\/(\d+)/.exec(registry[0] ?? '')?.[1]));
    const profile = recordedProfile(user, session.image.digest);
    await copyFile(profile, join(tree, '.rowfs/boot-profile'));
    const longLink = await rack.link({ ...LONGER, targetPorts: [ports[0]] });
    await publish(longLink.ports[0] ?? 0);
    const elsewhere = await rack.boot(appliance, rack.user('elsewhere', registry));
    const thirdAt = performance.now();
    const third = await rack.switchOn();
    t.diagnostic(
      `first boot with a boot profile, 68 ms away: ${inSeconds(performance.now() - thirdAt)}`,
    );
    const foreseen = await elsewhere.until(({ machine }) => machine.state === 'up');
    assert.ok((foreseen.image.prefetch?.done ?? 0) > 0, 'what it reads was fetched ahead');
    await third.close();
    await elsewhere.daemon.stop();

    const { same } = await askRowfs<{ same: boolean }>(
      ['image', 'verify', join(tree, '.rowfs/manifest'), tree],
      publisher,
    );
    assert.ok(same, 'the image was not written to');
  },
);
