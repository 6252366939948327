import assert from 'node:assert/strict';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Model } from '../test-support/row/model.ts';
import { type Operation, operations } from '../test-support/row/operations.ts';
import { diskBytes } from '../test-support/disk-bytes.ts';
import { makeImage, Overlaid } from '../test-support/row/overlaid.ts';

/** A few seconds' worth; a long run sets it to thousands. */
const RUNS = Number(process.env['ROWFS_MODEL_RUNS'] ?? 8);

/**
 * Random operations on the overlay and on a model of a file system in memory: after each, status,
 * tree, contents, attributes and handles must be the same, over restarts and crashes too.
 */
async function compare(image: string, steps: readonly Operation[]): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'rowfs-model-'));
  const model = new Model();
  let directory = join(root, 'shadow-0');
  let subject = await Overlaid.open(image, directory);
  try {
    await model.adopt(subject);
    for (const [index, step] of steps.entries()) {
      if (step.type === 'restart') {
        await subject.close();
        subject = await Overlaid.open(image, directory);
      } else if (step.type === 'crash') {
        // What kill -9 leaves: the files as the operating system has them, nothing flushed.
        const crashed = join(root, `shadow-${index + 1}`);
        await cp(directory, crashed, { recursive: true });
        await rm(join(crashed, 'lock'));
        await subject.close();
        directory = crashed;
        subject = await Overlaid.open(image, directory);
        await model.adoptUnstable(subject);
      } else await model.step(subject, step);
      await model.check(subject);
      await checkSpace(subject);
    }
    assert.deepEqual(subject.mutatingCalls, [], 'the lower was asked to change something');
  } finally {
    await subject.close();
    await rm(root, { recursive: true });
  }
}

/** What the shadow believes that its contents take is what they take. */
async function checkSpace({ shadow }: Overlaid): Promise<void> {
  await shadow.reclaimed();
  const files = await diskBytes(join(shadow.directory, 'data'));
  assert.equal(shadow.space.contentBytes, files);
}

void describe('the overlay, against a model', () => {
  it(`does what a file system does, in ${RUNS} random sequences`, async () => {
    const image = await makeImage();
    try {
      await fc.assert(
        fc.asyncProperty(
          fc.array(operations, { minLength: 1, maxLength: 40, size: 'max' }),
          (steps) => compare(image, steps),
        ),
        { numRuns: RUNS },
      );
    } finally {
      await rm(image, { recursive: true });
    }
  });
});
