import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeTree } from '../support/tree-description.ts';
import { makeImage } from './image.ts';
import type { Places } from './overlay.ts';

export interface RunResult {
  /** Crashes that were looked at. */
  readonly points: number;
  readonly acknowledged: number;
  /** What was lost, half done, leaked or changed; nothing when all is well. */
  readonly lost: readonly string[];
}

/** Gives `run` an image and room for a shadow, and sees to it that the image is not changed. */
export async function withPlaces(
  run: (places: Places, directory: string) => Promise<RunResult>,
): Promise<RunResult> {
  const directory = await mkdtemp(join(tmpdir(), 'rowfs-crash-'));
  try {
    const places = { lower: join(directory, 'lower'), shadow: join(directory, 'shadow') };
    await makeImage(places.lower);
    const before = (await describeTree(places.lower)).join('\n');
    const result = await run(places, directory);
    const isUnchanged = (await describeTree(places.lower)).join('\n') === before;
    return isUnchanged ? result : { ...result, lost: [...result.lost, 'the image was changed'] };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
