/**
 * The peer: machines boot as with rowfs, but their root is nfs-ganesha's, read-write, behind the link. A process of
 * its own, in the network of the machines: `node native-server.ts '{"tree":"/t","directory":"/d","link":{}}'`.
 */
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Machines, startBoot } from '@rowfs/boot';
import { listenPortmapper } from '@rowfs/oncrpc';
import { MOUNT3_PROGRAM } from '@rowfs/nfs3';
import { BRIDGE, BRIDGE_ADDRESS, KERNEL_OPTIONS } from '../../support/diskless-network.ts';
import { startGanesha } from '../../support/ganesha.ts';
import { type LinkSettings, startRelay } from '../../support/relay.ts';

const { tree, directory, link } = JSON.parse(process.argv[2] ?? '{}') as {
  readonly tree: string;
  readonly directory: string;
  readonly link: LinkSettings;
};
const ganesha = await startGanesha({
  exports: [{ path: tree, access: 'read-write' }],
  directory,
});
const relay = await startRelay({
  ...link,
  host: BRIDGE_ADDRESS,
  targetPorts: [ganesha.nfsPort, ganesha.mountPort],
});
const [port = 0, mountPort = 0] = relay.ports;
await listenPortmapper({
  host: BRIDGE_ADDRESS,
  mappings: [{ ...MOUNT3_PROGRAM, protocol: 'tcp', port: mountPort }],
});
const files: Awaited<ReturnType<Machines['begin']>>['image']['files'] = {
  list: (path) => readdir(join(tree, path)).catch(() => []),
  open: async (path) => createReadStream(join(tree, path)),
};
await startBoot(
  {
    interface: BRIDGE,
    proxyDhcp: false,
    range: undefined,
    router: undefined,
    nameservers: [],
    routerAdvertisements: true,
    leaseTime: '12h',
    httpPort: 8069,
    kernel: {},
    append: KERNEL_OPTIONS,
    stateDirectory: join(directory, 'native-state'),
  },
  {
    begin: async () => ({
      nfs: { host: BRIDGE_ADDRESS, port, mountPort, path: tree },
      image: { key: 'native', files },
    }),
    isUp: () => undefined,
  },
);
process.on('SIGUSR2', () => {
  const { records, bytes, calls } = relay;
  process.stdout.write(`${JSON.stringify({ records, bytes, calls })}\n`);
});
process.stdout.write('ready\n');
