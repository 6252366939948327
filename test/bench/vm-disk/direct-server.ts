/**
 * The peer: nfs-ganesha, read-write, behind the link, and the portmapper that QEMU's driver asks. A process of its own, in the
 * network of the machine: `node direct-server.ts '{"tree":"/t","directory":"/d","link":{}}'`.
 */
import { MOUNT3_PROGRAM, NFS3_PROGRAM } from '@rowfs/nfs3';
import { listenPortmapper } from '@rowfs/oncrpc';
import { startGanesha } from '../../support/ganesha.ts';
import { type LinkSettings, startRelay } from '../../support/relay.ts';

const { tree, directory, link } = JSON.parse(process.argv[2] ?? '{}') as {
  readonly tree: string;
  readonly directory: string;
  readonly link: LinkSettings;
};
const ganesha = await startGanesha({ exports: [{ path: tree, access: 'read-write' }], directory });
const relay = await startRelay({ ...link, targetPorts: [ganesha.nfsPort, ganesha.mountPort] });
const [port = 0, mountPort = 0] = relay.ports;
await listenPortmapper({
  host: '127.0.0.1',
  mappings: [
    { ...NFS3_PROGRAM, protocol: 'tcp', port },
    { ...MOUNT3_PROGRAM, protocol: 'tcp', port: mountPort },
  ],
});
process.on('SIGUSR2', () => {
  const { records, bytes } = relay;
  process.stdout.write(`${JSON.stringify({ records, bytes })}\n`);
});
process.stdout.write('ready\n');
