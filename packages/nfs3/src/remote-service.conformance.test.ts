import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeNfs3Conformance, populateSample, type Subject } from '@rowfs/nfs3-conformance';
import { nullLayer } from './layers/null-layer.ts';
import { statistics } from './layers/statistics.ts';
import { createLocalDirectory } from './local-directory/local-directory.ts';
import { connectNfs3 } from './remote-service.ts';
import { listenNfs3 } from './server/listen.ts';
import { stack } from './service.ts';

/** The sample tree behind a server, and a client of it with layers on top. */
async function remoteSubject(): Promise<Subject> {
  const root = await mkdtemp(join(tmpdir(), 'rowfs-remote-conformance-'));
  await populateSample(root);
  const start = async (port: number) => {
    const directory = await createLocalDirectory({ root, access: 'read-write' });
    const listener = await listenNfs3({ service: directory, port, exports: ['/sample'] });
    return { directory, listener };
  };
  let { directory, listener } = await start(0);
  const { host, port } = listener;
  const remote = connectNfs3({ host, port });
  const service = stack(remote, nullLayer, statistics().layer);
  const stop = async (): Promise<void> => {
    await listener.close();
    await directory.close();
  };
  return {
    service,
    mountPath: '/sample',
    async restart() {
      await stop();
      ({ directory, listener } = await start(port));
      // The same client: that its server was gone for a moment is not its caller's business.
      return service;
    },
    async close() {
      await remote.close();
      await stop();
      await rm(root, { recursive: true });
    },
  };
}

describeNfs3Conformance('a remote service under layers', remoteSubject, {
  writable: true,
  restartable: true,
});
