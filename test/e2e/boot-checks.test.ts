/** What `rowfs boot` sees to before it starts, in a network of its own. */
import assert from 'node:assert/strict';
import { mkdir, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import {
  BRIDGE,
  BRIDGE_ADDRESS,
  DisklessMachine,
  type DisklessNetwork,
  disklessNetwork,
} from '../support/diskless-network.ts';
import { type RunningProcess, startProcess } from '../support/process.ts';
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

/** Another server at the port of NFS, on all addresses, as the kernel's. */
async function startNfsd(network: DisklessNetwork, directory: string): Promise<RunningProcess> {
  const [command, ...before] = network.enter;
  const script = "require('net').createServer().listen(2049, '0.0.0.0', () => console.log('up'))";
  const nfsd = await startProcess(command, [...before, process.execPath, '-e', script], {
    name: 'another NFS server',
    logFile: `${directory}/nfsd.log`,
  });
  await nfsd.waitForLine(/up/);
  return nfsd;
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

    await network.run('ip', 'link', 'add', 'bare', 'type', 'bridge');
    await network.run('ip', 'link', 'set', 'bare', 'up');
    await network.run('ip', 'link', 'add', 'six', 'type', 'bridge');
    await network.run('ip', 'addr', 'add', 'fd00::1/64', 'dev', 'six');
    await network.run('ip', 'link', 'set', 'six', 'up');
    await network.run('ip', 'link', 'add', 'off', 'type', 'bridge');
    await network.run('ip', 'addr', 'add', '10.78.0.1/24', 'dev', 'off');
    for (const [name, why] of [
      ['eth9', /there is no interface eth9; .* br0/],
      ['bare', /bare has no IPv4 address; .* br0$/],
      ['six', /six has no IPv4 address; .* br0$/],
      ['off', /off is down; .* br0$/],
      ['lo', /no machine reaches lo; .* br0/],
    ] as const) {
      const { code, message } = await refusal(
        ['boot', '--server', '127.0.0.1:/', '--interface', name],
        other,
      );
      assert.equal(code, 'INTERFACE_UNUSABLE');
      assert.match(message, why);
    }

    for (const range of ['10.99.0.1,10.99.0.9', '10.77.0.90,10.77.0.20', '10.77.0.200,10.77.0.255'])
      assert.equal((await refusal([...BOOT, '--range', range], other)).code, 'BAD_RANGE');
    for (const option of [
      ['--range', '10.77.0.300,10.77.0.400'],
      ['--router', 'gateway'],
      ['--nameserver', '10.77.0.1\ndhcp-script=/bin/sh'],
      ['--append', 'quiet\nshell'],
      ['--lease-time', 'long'],
      ['--http-port', '80690'],
    ]) {
      const { status, stderr } = await runRowfs([...BOOT, ...option], other);
      assert.equal(status, 2, stderr);
      assert.match(stderr, /is invalid\. expected /);
    }
    const same = await refusal([...BOOT, '--nfs-port', '8069'], other);
    assert.equal(same.code, 'PORT_IN_USE');
    assert.match(same.message, /for HTTP, and for NFS/);

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
    assert.match(second.message, /port 111 .*: stop rpcbind/);
    const sameState = await refusal(BOOT, { ...other, owner: 'rack' });
    assert.equal(sameState.code, 'PORT_IN_USE');
    await rack.stop();

    const nfsd = scope.own(await startNfsd(network, directory));
    const beside = await refusal(BOOT, other);
    assert.equal(beside.code, 'PORT_IN_USE');
    assert.match(beside.message, /port 2049 .* --nfs-port/);
    await nfsd.close();

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
