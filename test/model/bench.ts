import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLocalDirectory, listenNfs3 } from '@rowfs/nfs3';
import { describeTree } from '../support/tree-description.ts';
import { populate } from './image.ts';
import { LocalDisk } from './local-disk.ts';
import type { Bench } from './sequence.ts';

/**
 * Gives `work` a local disk and an image server, and sees to it that the image is not changed.
 */
export async function withBench<T>(work: (bench: Bench) => Promise<T>): Promise<T> {
  const image = await mkdtemp(join(tmpdir(), 'rowfs-model-image-'));
  try {
    populate(image);
    const before = (await describeTree(image)).join('\n');
    const server = await createLocalDirectory({ root: image, access: 'read-only' });
    const listener = await listenNfs3({ service: server });
    const disk = await LocalDisk.start();
    const result = await work({ disk, imagePort: listener.port }).finally(async () => {
      await disk.close();
      await listener.close();
      await server.close();
    });
    const after = (await describeTree(image)).join('\n');
    if (after !== before) throw new Error('the image was changed');
    return result;
  } finally {
    await rm(image, { recursive: true });
  }
}
