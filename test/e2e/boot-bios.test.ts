/** A BIOS that knows PXE alone: it is given iPXE, and goes on with it. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { debianAppliance } from '../support/debian-appliance.ts';
import {
  BRIDGE,
  disklessNetwork,
  DisklessMachine,
  KERNEL_OPTIONS,
} from '../support/diskless-network.ts';
import { pxeFirmware } from '../support/pxe-firmware.ts';
import { requires } from '../support/requirements.ts';
import { startRowfs } from '../support/rowfs.ts';
import { testScope } from '../support/test-scope.ts';

test(
  'a machine with a BIOS and PXE boots',
  { skip: requires('diskless-boot', 'undionly', 'debian-tree') },
  async (t) => {
    const scope = await testScope(t);
    const { directory } = scope;
    const tree = await debianAppliance();
    const network = scope.own(await disklessNetwork(directory));
    const { enter } = network;
    const server = scope.own(
      await startRowfs<{ port: number }>(['serve', tree, '--listen', '127.0.0.1:0'], {
        directory,
        owner: 'server',
        enter,
      }),
    );
    const rack = scope.own(
      await startRowfs<object>(
        [
          ...['boot', '--server', `127.0.0.1:${server.ready.port}:/`, '--interface', BRIDGE],
          '--router-advertisements',
          ...['--append', KERNEL_OPTIONS, '--rest', '127.0.0.1:0', '--log-level', 'debug'],
        ],
        { directory, owner: 'rack', enter },
      ),
    );
    const firmware = scope.own(await pxeFirmware(directory));
    const machine = await DisklessMachine.connect({
      network,
      directory,
      name: 'tap0',
      mac: '52:54:00:77:00:08',
      firmware,
    });
    const guest = scope.own(await machine.switchOn());
    await guest.writes(/Welcome to .*Debian/, 300_000);
    const { output } = rack.process;
    const sent = [...output.matchAll(/sent \S+\/(?<file>undionly\.kpxe|boot\.ipxe) to/g)];
    assert.deepEqual(
      sent.map(({ groups }) => groups?.['file']),
      ['undionly.kpxe', 'boot.ipxe'],
    );
  },
);
