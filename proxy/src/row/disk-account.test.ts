import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Filehandle, Nfsstat3, StableHow, UNCHANGED } from '@rowfs/nfs3';
import type { SpaceLimits } from '../shadow/space.ts';
import { diskBytes } from '../test-support/disk-bytes.ts';
import { asRoot as ctx, makeImage, Overlaid } from '../test-support/row/overlaid.ts';

const RUNS = 8;
/** Two files of the image, and names that are there only after a write. */
const NAMES = ['a', 'b', 'new', 'newer'] as const;

const name = fc.constantFrom(...NAMES);
const offset = fc.oneof(fc.nat(20_000), fc.constantFrom(0, 4096, 1_000_000));
const change = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      what: fc.constant('write' as const),
      name,
      offset,
      length: fc.integer({ min: 1, max: 20_000 }),
      stable: fc.constantFrom(...Object.values(StableHow)),
    }),
  },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('cut' as const), name, size: offset }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('remove' as const), name }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('restart' as const) }) },
);
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

/** Undefined when there is no room for a new one. */
async function fileNamed(subject: Overlaid, file: string): Promise<Filehandle | undefined> {
  const where = { dir: subject.root, name: file };
  const how = { mode: 'unchecked', objAttributes: { ...UNCHANGED, mode: 0o644 } } as const;
  const made = await subject.service.create({ where, how }, ctx);
  if (made.status === Nfsstat3.NOSPC) return undefined;
  assert.ok(made.status === Nfsstat3.OK && made.obj !== undefined);
  return made.obj;
}

async function apply(subject: Overlaid, step: Exclude<Change, { what: 'restart' }>): Promise<void> {
  const { service, root } = subject;
  if (step.what === 'remove') {
    await service.remove({ object: { dir: root, name: step.name } }, ctx);
    return;
  }
  const file = await fileNamed(subject, step.name);
  if (file === undefined) return;
  if (step.what === 'cut') {
    const newAttributes = { ...UNCHANGED, size: step.size };
    await service.setattr({ object: file, newAttributes, guard: undefined }, ctx);
    return;
  }
  const { offset: at, length: count, stable } = step;
  const data = [Buffer.alloc(count, 1)];
  await service.write({ file, offset: at, count, stable, data }, ctx);
}

/** From next to nothing to most of what is written. */
const quotas = fc.option(fc.integer({ min: 2, max: 32 }), { nil: undefined });

test('what the shadow believes that its contents take of the disk is what they take, and no more than its quota', async (t) => {
  const image = await makeImage();
  t.after(() => rm(image, { recursive: true }));
  await fc.assert(
    fc.asyncProperty(
      fc.array(change, { minLength: 1, maxLength: 30 }),
      quotas,
      async (steps, blocks) => {
        const limits: SpaceLimits = blocks === undefined ? {} : { quota: blocks * 4096 };
        const directory = await mkdtemp(join(tmpdir(), 'rowfs-account-'));
        let subject = await Overlaid.open(image, directory, limits);
        try {
          for (const step of steps) {
            const { contentBytes: before } = subject.shadow.space;
            if (step.what === 'restart') {
              await subject.close();
              subject = await Overlaid.open(image, directory, limits);
            } else await apply(subject, step);
            const { contentBytes } = subject.shadow.space;
            assert.ok(contentBytes <= Math.max(before, limits.quota ?? Infinity), 'over the quota');
            await subject.shadow.reclaimed();
            const taken = await diskBytes(join(directory, 'data'));
            assert.equal(subject.shadow.space.contentBytes, taken, JSON.stringify(step));
          }
        } finally {
          await subject.close();
          await rm(directory, { recursive: true });
        }
      },
    ),
    { numRuns: RUNS },
  );
});
