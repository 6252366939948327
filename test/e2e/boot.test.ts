/**
 * Machines without a disk: PXE, iPXE, kernel and initrd out of the image, NFS root through the proxy, Debian
 * with systemd up. In a network of their own, under software emulation.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { debianAppliance } from '../support/debian-appliance.ts';
import { BRIDGE, disklessNetwork, DisklessMachine } from '../support/diskless-network.ts';
import { requires } from '../support/requirements.ts';
import { askRowfs, startRowfs } from '../support/rowfs.ts';
import { testScope } from '../support/test-scope.ts';

type ReadyServer = { readonly port: number };

test(
  'a machine without a disk boots, works, boots again and finds what it wrote',
  { skip: requires('diskless-boot', 'debian-tree') },
  async (t) => {
    const scope = await testScope(t);
    const { directory } = scope;
    const tree = await debianAppliance();
    const network = scope.own(await disklessNetwork(directory));
    const { enter } = network;
    const manifest = `${directory}/manifest`;
    await askRowfs(['image', 'build', tree, '--output', manifest], {
      directory,
      owner: 'publisher',
    });
    const server = scope.own(
      await startRowfs<ReadyServer>(['serve', tree, '--listen', '127.0.0.1:0'], {
        directory,
        owner: 'server',
        enter,
      }),
    );
    scope.own(
      await startRowfs(
        [
          ...['boot', '--server', `127.0.0.1:${server.ready.port}:/`, '--interface', BRIDGE],
          ...['--append', 'console=ttyS0 quiet mitigations=off cryptomgr.notests=1'],
          ...['--log-level', 'debug', '--rest', '127.0.0.1:0'],
        ],
        { directory, owner: 'rack', enter },
      ),
    );
    const mac = '52:54:00:77:00:02';
    const machine = await DisklessMachine.connect({ network, directory, name: 'tap0', mac });

    const first = scope.own(await machine.switchOn());
    await first.booted;
    await first.run('echo written >/etc/written && cp -a /usr/bin /var/tmp/bin && sync');
    await first.run('systemctl --no-block reboot');
    await first.ended;
    await first.close();

    const second = scope.own(await machine.switchOn());
    await second.booted;
    const { stdout } = await second.run('cat /etc/written && diff -r /usr/bin /var/tmp/bin');
    assert.equal(stdout, 'written\n');
    await second.close();

    const { differences } = await askRowfs<{ differences: unknown[] }>(
      ['image', 'verify', manifest, tree],
      { directory, owner: 'publisher' },
    );
    assert.deepEqual(differences, []);
  },
);
