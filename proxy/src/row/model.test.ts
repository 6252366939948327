import assert from 'node:assert/strict';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import type { SpaceLimits } from '../shadow/space.ts';
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
async function compare(
  image: string,
  steps: readonly Operation[],
  limits: SpaceLimits = {},
): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'rowfs-model-'));
  const model = new Model({ mayBeFull: limits.quota !== undefined });
  let directory = join(root, 'shadow-0');
  let subject = await Overlaid.open(image, directory, limits);
  try {
    await model.adopt(subject);
    for (const [index, step] of steps.entries()) {
      if (step.type === 'restart') {
        await subject.close();
        subject = await Overlaid.open(image, directory, limits);
      } else if (step.type === 'crash') {
        // What kill -9 leaves: the files as the operating system has them, nothing flushed.
        const crashed = join(root, `shadow-${index + 1}`);
        await cp(directory, crashed, { recursive: true });
        await rm(join(crashed, 'lock'));
        await subject.close();
        directory = crashed;
        subject = await Overlaid.open(image, directory, limits);
        await model.adoptUnstable(subject);
      } else {
        const { contentBytes: before } = subject.shadow.space;
        await model.step(subject, step);
        const { contentBytes } = subject.shadow.space;
        assert.ok(contentBytes <= Math.max(before, limits.quota ?? Infinity), 'over the quota');
      }
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

const sequences = fc.array(operations, { minLength: 1, maxLength: 40, size: 'max' });
/** From next to nothing to most of what a sequence takes. */
const quotas = fc.integer({ min: 2, max: 32 }).map((blocks) => blocks * 4096);

void describe('the overlay, against a model', () => {
  let image: string;
  before(async () => {
    image = await makeImage();
  });
  after(() => rm(image, { recursive: true }));

  it(`does what a file system does, in ${RUNS} random sequences`, async () => {
    await fc.assert(
      fc.asyncProperty(sequences, (steps) => compare(image, steps)),
      { numRuns: RUNS },
    );
  });

  it(`changes nothing when it says NOSPC, in ${RUNS} random sequences`, async () => {
    await fc.assert(
      fc.asyncProperty(sequences, quotas, (steps, quota) => compare(image, steps, { quota })),
      { numRuns: RUNS },
    );
  });
});
