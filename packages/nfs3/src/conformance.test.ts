import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeNfs3Conformance, populateSample, type Subject } from '@rowfs/nfs3-conformance';
import { nullLayer } from './layers/null-layer.ts';
import { squash } from './layers/squash.ts';
import { statistics } from './layers/statistics.ts';
import { createLocalDirectory } from './local-directory/local-directory.ts';
import { connectNfs3 } from './remote-service.ts';
import { listenNfs3 } from './server/listen.ts';
import { type Nfs3Layer, type Nfs3Service, stack } from './service.ts';

type Access = 'read-only' | 'read-write';

interface Running {
  readonly service: Nfs3Service;
  close(): Promise<void>;
}

/** The sample tree in a directory of its own, served by whatever `start` makes of the directory. */
async function subjectOf(start: (root: string) => Promise<Running>): Promise<Subject> {
  const root = await mkdtemp(join(tmpdir(), 'rowfs-conformance-'));
  await populateSample(root);
  let running = await start(root);
  return {
    service: running.service,
    mountPath: '/',
    async restart() {
      await running.close();
      running = await start(root);
      return running.service;
    },
    async close() {
      await running.close();
      await rm(root, { recursive: true });
    },
  };
}

async function startStack(root: string, access: Access, ...layers: Nfs3Layer[]): Promise<Running> {
  const directory = await createLocalDirectory({ root, access });
  return { service: stack(directory, ...layers), close: () => directory.close() };
}

/** A client, a connection over the loopback, a server, and behind it the directory. */
async function startRemote(root: string, access: Access): Promise<Running> {
  const directory = await createLocalDirectory({ root, access });
  const listener = await listenNfs3({ service: directory });
  const { host, port } = listener;
  const remote = connectNfs3({ host, port });
  return {
    service: remote,
    async close() {
      await remote.close();
      await listener.close();
      await directory.close();
    },
  };
}

const writable = { writable: true, restartable: true };
const readOnly = { writable: false, restartable: true };

describeNfs3Conformance(
  'a local directory',
  () => subjectOf((root) => startStack(root, 'read-write')),
  writable,
);
describeNfs3Conformance(
  'a read-only local directory',
  () => subjectOf((root) => startStack(root, 'read-only')),
  readOnly,
);
describeNfs3Conformance(
  'the null layer over a local directory',
  () => subjectOf((root) => startStack(root, 'read-write', nullLayer)),
  writable,
);
describeNfs3Conformance(
  'the statistics layer over a local directory',
  () => subjectOf((root) => startStack(root, 'read-write', statistics().layer)),
  writable,
);
describeNfs3Conformance(
  'the squash layer that squashes nobody over a local directory',
  () => subjectOf((root) => startStack(root, 'read-write', squash({ squash: 'none' }))),
  writable,
);
describeNfs3Conformance(
  'a remote service of a local directory',
  () => subjectOf((root) => startRemote(root, 'read-write')),
  writable,
);
describeNfs3Conformance(
  'a remote service of a read-only local directory',
  () => subjectOf((root) => startRemote(root, 'read-only')),
  readOnly,
);
