/** Kernel and initrd by TFTP, when what serves them by HTTP hangs or dies after it gave the script. */
import test from 'node:test';
import { debianAppliance } from '../support/debian-appliance.ts';
import {
  BRIDGE,
  disklessNetwork,
  DisklessMachine,
  KERNEL_OPTIONS,
} from '../support/diskless-network.ts';
import type { Guest } from '../support/guest.ts';
import { requires } from '../support/requirements.ts';
import { type RowfsDaemon, type RowfsOptions, startRowfs } from '../support/rowfs.ts';
import { type TestScope, testScope } from '../support/test-scope.ts';

const BOOT_MS = 300_000;

interface Rack {
  readonly boot: RowfsDaemon<object>;
  readonly startAgain: () => Promise<RowfsDaemon<object>>;
  /** Just switched on. */
  readonly guest: Guest;
}

async function rackWithMachine(scope: TestScope, mac: string): Promise<Rack> {
  const { directory } = scope;
  const tree = await debianAppliance();
  const network = scope.own(await disklessNetwork(directory));
  const as = (owner: string): RowfsOptions => ({ directory, owner, enter: network.enter });
  const server = await startRowfs<{ port: number }>(
    ['serve', tree, '--listen', '127.0.0.1:0'],
    as('server'),
  );
  scope.own(server);
  const start = async (): Promise<RowfsDaemon<object>> =>
    scope.own(
      await startRowfs<object>(
        [
          ...['boot', '--server', `127.0.0.1:${server.ready.port}:/`, '--interface', BRIDGE],
          '--router-advertisements',
          ...['--append', KERNEL_OPTIONS, '--rest', '127.0.0.1:0', '--log-level', 'debug'],
        ],
        as('rack'),
      ),
    );
  const boot = await start();
  const machine = await DisklessMachine.connect({ network, directory, name: 'tap0', mac });
  return { boot, startAgain: start, guest: scope.own(await machine.switchOn()) };
}

const skip = requires('diskless-boot', 'debian-tree');

test('a machine whose boot server hangs gets kernel and initrd by TFTP', { skip }, async (t) => {
  const scope = await testScope(t);
  const { boot, guest } = await rackWithMachine(scope, '52:54:00:77:00:06');
  await guest.writes(/http:\S+\/images\//, BOOT_MS);
  boot.process.signal('SIGSTOP');
  await guest.writes(/tftp:\S+\/images\/\S+\/initrd\.img/, BOOT_MS);
  boot.process.signal('SIGCONT');
  await guest.writes(/Welcome to .*Debian/, BOOT_MS);
  await boot.process.waitForLine(/sent \S+\/initrd\.img to/);
});

test('a machine whose boot server dies goes on when it is back', { skip }, async (t) => {
  const scope = await testScope(t);
  const { boot, guest, startAgain } = await rackWithMachine(scope, '52:54:00:77:00:07');
  await guest.writes(/http:\S+\/images\//, BOOT_MS);
  await boot.process.kill('SIGKILL');
  await guest.writes(/tftp:\S+\/images\//, BOOT_MS);
  await startAgain();
  await guest.writes(/Welcome to .*Debian/, BOOT_MS);
});
