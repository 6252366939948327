import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeNfs3Conformance, populateSample, type Subject } from '@rowfs/nfs3-conformance';
import { createLocalDirectory } from './local-directory/local-directory.ts';
import type { Nfs3Service } from './service.ts';

/** A local directory with the sample tree, and whatever is stacked on it. */
async function localSubject(
  access: 'read-only' | 'read-write',
  layer: (lower: Nfs3Service) => Nfs3Service = (lower) => lower,
): Promise<Subject> {
  const root = await mkdtemp(join(tmpdir(), 'rowfs-conformance-'));
  await populateSample(root);
  let directory = await createLocalDirectory({ root, access });
  return {
    service: layer(directory),
    mountPath: '/',
    async restart() {
      await directory.close();
      directory = await createLocalDirectory({ root, access });
      return layer(directory);
    },
    async close() {
      await directory.close();
      await rm(root, { recursive: true });
    },
  };
}

for (const access of ['read-only', 'read-write'] as const) {
  const options = { writable: access === 'read-write', restartable: true };
  describeNfs3Conformance(`a ${access} local directory`, () => localSubject(access), options);
}
