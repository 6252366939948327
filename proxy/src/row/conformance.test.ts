import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLocalDirectory, stack } from '@rowfs/nfs3';
import { describeNfs3Conformance, populateSample, type Subject } from '@rowfs/nfs3-conformance';
import { redirectOnWrite } from './layer.ts';
import { openShadow, type Shadow } from '../shadow/shadow.ts';

async function overlaySubject(): Promise<Subject> {
  const root = await mkdtemp(join(tmpdir(), 'rowfs-row-'));
  const image = join(root, 'image');
  await mkdir(image);
  await populateSample(image);
  const lower = await createLocalDirectory({ root: image, access: 'read-only' });
  const open = (): Promise<Shadow> =>
    openShadow({ directory: join(root, 'shadow'), belongsTo: { appliance: 'sample' } });
  let shadow = await open();
  return {
    service: stack(lower, redirectOnWrite(shadow)),
    mountPath: '/',
    async restart() {
      await shadow.close();
      shadow = await open();
      return stack(lower, redirectOnWrite(shadow));
    },
    async close() {
      await shadow.close();
      await lower.close();
      await rm(root, { recursive: true });
    },
  };
}

describeNfs3Conformance('redirect-on-write over a read-only directory', overlaySubject, {
  writable: true,
  restartable: true,
});
