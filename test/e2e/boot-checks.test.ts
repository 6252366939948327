/** What `rowfs boot` sees to before it starts, in a network of its own. */
import assert from 'node:assert/strict';
import { mkdir, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import {
  BRIDGE,
  BRIDGE_ADDRESS,
  DisklessMachine,
  disklessNetwork,
} from '../support/diskless-network.ts';
import { startProcess } from '../support/process.ts';
import { requires } from '../support/requirements.ts';
import { askRowfs, type RowfsOptions, runRowfs, startRowfs, stateOf } from '../support/rowfs.ts';
import { testScope } from '../support/test-scope.ts';

const BOOT = ['boot', '--server', '127.0.0.1:2049:/', '--interface', BRIDGE];

async function refusal(
  args: readonly string[],
  options: RowfsOptions,
): Promise<{ readonly code: string; readonly message: string }> {
  const { status, stderr } = await runRowfs([...args, '--json'], options);
  assert.equal(status, 1, stderr);
  const { error } = JSON.parse(stderr) as { error: { code: string; message: string } };
  return error;
}

test(
  'rowfs boot says what is missing, and stands beside nobody who gives addresses',
  { skip: requires('diskless-boot') },
  async (t) => {
    const scope = await testScope(t);
    const { directory } = scope;
    const network = scope.own(await disklessNetwork(directory));
    const { enter } = network;
    const other = { directory, owner: 'other', enter };

    const { dnsmasqConfig } = await askRowfs<{ dnsmasqConfig: string }>(
      [...BOOT, '--dry-run'],
      other,
    );
    assert.match(dnsmasqConfig, /^interface=br0$/m);
    assert.match(dnsmasqConfig, /^dhcp-range=10\.77\.0\.128,10\.77\.0\.254,/m);
    await assert.rejects(readdir(stateOf(other)), 'a dry run leaves nothing');

    const nowhere = await refusal(
      ['boot', '--server', '127.0.0.1:/', '--interface', 'eth9'],
      other,
    );
    assert.equal(nowhere.code, 'INTERFACE_UNUSABLE');
    assert.match(nowhere.message, /those are: br0/);

    const withoutRights = [...enter, 'setpriv', '--bounding-set', '-net_raw', '--'];
    const weak = await refusal(BOOT, { ...other, enter: withoutRights });
    assert.equal(weak.code, 'NEEDS_RIGHTS');
    const withoutDnsmasq = { ...process.env, PATH: join(directory, 'bin') };
    await mkdir(withoutDnsmasq.PATH);
    await symlink('/bin/ip', join(withoutDnsmasq.PATH, 'ip'));
    const [nsenter, ...before] = enter;
    const absolute = [`/usr/bin/${nsenter}`, ...before.slice(0, -3), '/usr/bin/env'];
    const bare = { ...other, enter: absolute, env: withoutDnsmasq };
    assert.equal((await refusal(BOOT, bare)).code, 'DNSMASQ_MISSING');

    // The only machine is off: nothing is at the other end of the cable.
    await DisklessMachine.connect({ network, directory, name: 'tap0', mac: '52:54:00:77:00:02' });
    const rack = scope.own(await startRowfs([...BOOT], { directory, owner: 'rack', enter }));
    const second = await refusal([...BOOT, '--http-port', '8070'], other);
    assert.equal(second.code, 'PORT_IN_USE');
    assert.match(second.message, /:111 /);
    await rack.stop();

    const [command, ...arguments_] = enter;
    const dnsmasq = scope.own(
      await startProcess(
        command,
        [
          ...arguments_,
          ...[
            'dnsmasq',
            '--keep-in-foreground',
            '--conf-file=/dev/null',
            '--port=0',
            '--user=root',
          ],
          ...['--interface=br0', '--dhcp-range=10.77.0.50,10.77.0.60', '--log-facility=-'],
          ...[`--dhcp-leasefile=${directory}/leases`, `--pid-file=${directory}/pid`],
        ],
        { name: 'another DHCP server', logFile: `${directory}/dnsmasq.log` },
      ),
    );
    await dnsmasq.waitForLine(/started, version/);
    const twice = await refusal(BOOT, other);
    assert.equal(twice.code, 'ANOTHER_DHCP_SERVER');
    assert.ok(twice.message.startsWith(BRIDGE_ADDRESS), twice.message);
  },
);
