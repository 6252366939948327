/** `rowfs boot --proxy-dhcp`, beside a DHCP server that knows nothing of it, for a BIOS that knows PXE alone. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { debianAppliance } from '../support/debian-appliance.ts';
import {
  BRIDGE,
  disklessNetwork,
  DisklessMachine,
  KERNEL_OPTIONS,
  neighbour,
} from '../support/diskless-network.ts';
import { startProcess } from '../support/process.ts';
import { pxeFirmware } from '../support/pxe-firmware.ts';
import { requires } from '../support/requirements.ts';
import { startRowfs } from '../support/rowfs.ts';
import { testScope } from '../support/test-scope.ts';

test(
  'a machine that gets its address elsewhere boots from here',
  { skip: requires('diskless-boot', 'undionly', 'debian-tree') },
  async (t) => {
    const scope = await testScope(t);
    const { directory } = scope;
    const tree = await debianAppliance();
    const network = scope.own(await disklessNetwork(directory));
    const { enter } = network;
    const other = scope.own(await neighbour(network, directory, '10.77.0.2'));
    const [command, ...before] = other.enter;
    const dhcp = scope.own(
      await startProcess(
        command,
        [
          ...before,
          ...['dnsmasq', '--keep-in-foreground', '--conf-file=/dev/null', '--port=0'],
          ...['--user=root', '--interface=eth0', '--log-facility=-', '--log-dhcp'],
          ...['--dhcp-range=10.77.0.50,10.77.0.60', `--pid-file=${join(directory, 'pid')}`],
          `--dhcp-leasefile=${join(directory, 'leases')}`,
        ],
        { name: 'the DHCP server', logFile: join(directory, 'dnsmasq.log') },
      ),
    );
    await dhcp.waitForLine(/started, version/);
    const server = scope.own(
      await startRowfs<{ port: number }>(['serve', tree, '--listen', '127.0.0.1:0'], {
        directory,
        owner: 'server',
        enter,
      }),
    );
    const { ready, process: rack } = scope.own(
      await startRowfs<{ notices: readonly string[] }>(
        [
          ...['boot', '--server', `127.0.0.1:${server.ready.port}:/`, '--interface', BRIDGE],
          ...['--proxy-dhcp', '--append', KERNEL_OPTIONS, '--rest', '127.0.0.1:0'],
          ...['--log-level', 'debug'],
        ],
        { directory, owner: 'rack', enter },
      ),
    );
    assert.doesNotMatch(ready.notices.join('\n'), /DHCP server/, 'the other one was found');
    const firmware = scope.own(await pxeFirmware(directory));
    const mac = '52:54:00:77:00:03';
    const machine = await DisklessMachine.connect({
      network,
      directory,
      name: 'tap0',
      mac,
      firmware,
    });
    const guest = scope.own(await machine.switchOn());
    // Its address is of the other server, and its root from here.
    await guest.writes(/address: 10\.77\.0\.5\d /, 300_000);
    await guest.writes(/Welcome to .*Debian/, 300_000);
    await rack.waitForLine(/sent \S+\/undionly\.kpxe to/);
  },
);
