/** An image whose initrd is dracut's, as those of Fedora and openSUSE are. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { debianAppliance } from '../support/debian-appliance.ts';
import {
  BRIDGE,
  BRIDGE_ADDRESS,
  disklessNetwork,
  DisklessMachine,
  KERNEL_OPTIONS,
} from '../support/diskless-network.ts';
import { requires } from '../support/requirements.ts';
import { askRowfs, type RowfsOptions, startRowfs } from '../support/rowfs.ts';
import { type TestScope, testScope } from '../support/test-scope.ts';

const MAC = '52:54:00:77:00:05';

/** A machine that boots such an image, with `append` at the end of its kernel's command line. */
async function dracutMachine(
  scope: TestScope,
  append: string,
): Promise<{ readonly machine: DisklessMachine; readonly rack: RowfsOptions }> {
  const { directory } = scope;
  const tree = await debianAppliance([], 'dracut');
  const network = scope.own(await disklessNetwork(directory));
  const rack: RowfsOptions = { directory, owner: 'rack', enter: network.enter };
  const server = scope.own(
    await startRowfs<{ port: number }>(['serve', tree, '--listen', '127.0.0.1:0'], {
      ...rack,
      owner: 'server',
    }),
  );
  scope.own(
    await startRowfs(
      [
        ...['boot', '--server', `127.0.0.1:${server.ready.port}:/`, '--interface', BRIDGE],
        '--router-advertisements',
        ...['--append', `${KERNEL_OPTIONS} ${append}`, '--rest', '127.0.0.1:0'],
      ],
      rack,
    ),
  );
  const connected = { network, directory, name: 'tap0', mac: MAC };
  return { machine: await DisklessMachine.connect(connected), rack };
}

async function untilUp(rack: RowfsOptions): Promise<void> {
  for (;;) {
    const { daemons } = await askRowfs<{
      daemons: { command: string; sessions: { machine: { state: string } }[] }[];
    }>(['status'], rack);
    const boot = daemons.find(({ command }) => command === 'boot');
    if (boot?.sessions[0]?.machine.state === 'up') return;
    await pause(500);
  }
}

const skip = requires('diskless-boot', 'debian-tree');

test('a machine boots by an initrd of dracut, and keeps what it wrote', { skip }, async (t) => {
  const scope = await testScope(t);
  const { machine, rack } = await dracutMachine(scope, '');
  const first = scope.own(await machine.switchOn());
  await first.booted;
  await untilUp(rack);
  const { stdout } = await first.run('findmnt --noheadings --output SOURCE,OPTIONS /');
  assert.ok(stdout.startsWith(`${BRIDGE_ADDRESS}:/${MAC.replaceAll(':', '-')} `), stdout);
  for (const option of ['rw', 'vers=3', 'hard', 'nocto', 'nolock', 'proto=tcp', 'port=2049'])
    assert.ok(stdout.split(/[ ,]/).includes(option), `${option}: ${stdout}`);
  await first.run('echo written >/etc/written && sync');
  await first.run('systemctl --no-block reboot');
  await first.ended;
  await first.close();

  const second = scope.own(await machine.switchOn());
  await second.booted;
  assert.equal((await second.run('cat /etc/written')).stdout, 'written\n');
});

test('an initrd of dracut that cannot mount its root boots again', { skip }, async (t) => {
  const scope = await testScope(t);
  const nobody = `root=nfs:${BRIDGE_ADDRESS}:/nobody:vers=3,proto=tcp,nolock`;
  const { machine } = await dracutMachine(scope, `${nobody} rd.retry=5`);
  const guest = scope.own(await machine.switchOn());
  await guest.writes(/Could not boot/, 300_000);
  await guest.ended;
});
