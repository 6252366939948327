/**
 * A machine without a disk is given a newer version when it boots, and its last one when that does not come up;
 * its publisher's gc leaves what it runs alone, and has it deleted when the machine is switched off.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { debianAppliance } from '../support/debian-appliance.ts';
import { LEASE, Rack, type ReadyServer, shutDown } from '../support/rack.ts';
import { requires } from '../support/requirements.ts';
import { askRowfs, type RowfsDaemon } from '../support/rowfs.ts';
import { testScope } from '../support/test-scope.ts';

interface GcAnswer {
  readonly plan: {
    readonly decisions: readonly { version: string; decision: string; reason: string }[];
  };
  readonly deletable: readonly { version: string; deleted: readonly { server: string }[] }[];
  readonly resurrected: readonly string[];
  readonly freedBytes: number;
}

const GC = ['gc', 'rack', '--keep', '1', '--grace', '0s', '--lease', LEASE, '--apply'];
/** How often a server looks whether it may delete what it serves: half of this. */
const TTL = '2s';

test(
  'a machine without a disk is upgraded, falls back, and what it ran is deleted once it is off',
  { skip: requires('diskless-boot', 'debian-tree') },
  async (t) => {
    const scope = await testScope(t);
    const original = await debianAppliance();
    const rack = await Rack.open(scope);
    const registry = (await rack.node()).ready.addresses;
    const publisher = rack.user('publisher', registry);
    const { id: appliance } = await askRowfs<{ id: string }>(['key', '--name', 'rack'], publisher);
    const publish = async (tree: string, version: string): Promise<RowfsDaemon<ReadyServer>> => {
      const announced = ['--appliance', appliance, '--version', version, '--ttl', TTL];
      const args = [...announced, '--rest', '127.0.0.1:0', '--delete-retired'];
      const server = await rack.serve(tree, rack.user(version, registry), { args });
      const address = `127.0.0.1:${server.ready.port}:/`;
      await askRowfs(['publish', 'rack', '--version', version, '--server', address], publisher);
      return server;
    };
    const gc = async (...more: string[]): Promise<GcAnswer> =>
      askRowfs<GcAnswer>([...GC, ...more], publisher);
    /** Why gc keeps each version; it must let none go that is in use. */
    const reasons = ({ plan }: GcAnswer): string[][] =>
      plan.decisions.map(({ version, reason }) => [version, reason]);

    const v1 = await rack.copyOf(original, 'v1');
    const v1Server = await publish(v1, 'v1');
    const boot = await rack.boot(appliance, rack.user('rack', registry));
    const first = await rack.switchOn();
    await boot.until(({ machine }) => machine.state === 'up');
    await first.run('echo written >/etc/written && sync');

    // A newer version is out: the one in use is kept, and the machine goes on with it.
    const v2 = await rack.copyOf(original, 'v2');
    await writeFile(join(v2, 'etc/rowfs-version'), 'v2\n');
    await askRowfs(['image', 'build', v2], publisher);
    const v2Server = await publish(v2, 'v2');
    const refused = await gc();
    assert.deepEqual(reasons(refused), [
      ['v2', 'CURRENT'],
      ['v1', 'SHARERS'],
    ]);
    assert.deepEqual(refused.deletable, []);
    await first.run('cat /usr/share/doc/*/copyright >/dev/null');
    // Until then it would boot what was the newest when somebody could be asked.
    await boot.until(({ machine }) => machine.staged === 'v2');
    await shutDown(first);

    const second = await rack.switchOn();
    const { stdout } = await second.run('cat /etc/rowfs-version /etc/written');
    assert.equal(stdout, 'v2\nwritten\n');
    const { version, machine: upgraded } = await boot.until(
      ({ machine }) => machine.state === 'up',
    );
    assert.deepEqual([version, upgraded.rollback], ['v2', 'v1']);
    const gone = await gc('--wait', '60s');
    assert.deepEqual(
      gone.deletable.map(({ version: each }) => each),
      ['v1'],
    );
    assert.equal((await v1Server.process.ended).status, 0);
    assert.deepEqual([existsSync(v1), existsSync(v2)], [false, true]);

    // One that does not come up is given up.
    const v3 = await rack.copyOf(v2, 'v3');
    await writeFile(join(v3, 'usr/lib/systemd/systemd'), '#!/bin/sh\nexit 1\n');
    await askRowfs(['image', 'build', v3], publisher);
    await publish(v3, 'v3');
    await boot.until(({ machine }) => machine.staged === 'v3');
    await shutDown(second);
    const third = scope.own(await rack.machine.switchOn());
    await third.ended;
    await third.close();
    const fourth = await rack.switchOn();
    const { machine, notices } = await boot.status();
    assert.deepEqual([machine.booted, machine.failed], ['v2', 'v3']);
    assert.match(notices.join('\n'), /version v3 did not come up/);

    // What was published last is kept in any case; what the machine runs, until it is switched off.
    await boot.until(({ machine }) => machine.state === 'up');
    const inUse = await gc();
    assert.deepEqual(reasons(inUse), [
      ['v3', 'CURRENT'],
      ['v2', 'SHARERS'],
    ]);
    assert.ok(existsSync(v2));
    await fourth.close();
    const off = performance.now();
    const sinceOff = (): string => `${((performance.now() - off) / 1000).toFixed(1)} s`;
    await boot.until(({ machine }) => machine.state === 'off');
    t.diagnostic(`the machine was known to be off after ${sinceOff()}`);
    const last = await gc('--wait', '60s');
    assert.equal((await v2Server.process.ended).status, 0);
    t.diagnostic(`what it ran was deleted after ${sinceOff()}; leases are of ${LEASE}`);
    assert.deepEqual(
      last.deletable.map(({ version: each }) => each),
      ['v2'],
    );
    assert.deepEqual([existsSync(v2), existsSync(v3)], [false, true]);
    assert.ok(last.freedBytes > 0);
  },
);
