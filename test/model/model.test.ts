import assert from 'node:assert/strict';
import { geteuid } from 'node:process';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { StableHow } from '@rowfs/nfs3';
import { withBench } from './bench.ts';
import type { Loss, Operation, Step } from './operation.ts';
import { randomSequences } from './random-sequences.ts';
import { noCounts, runSequence } from './sequence.ts';

const RUNS = 4;
const MAX_STEPS = 40;

const isRoot = geteuid?.() === 0;
const skip = isRoot ? false : 'operates the local disk as several users, which takes root';

function byRoot(operation: Operation, loss?: Loss): Step {
  return { operation, caller: 0, loss };
}

void describe('the overlay, beside a directory of the local disk', { skip }, () => {
  it(`does the same in ${RUNS} random sequences; pnpm model runs more`, async () => {
    await withBench((bench) =>
      fc.assert(
        fc.asyncProperty(randomSequences(MAX_STEPS), (sequence) =>
          runSequence(bench, sequence, noCounts()),
        ),
        { numRuns: RUNS },
      ),
    );
  });

  it('changes nothing when it says NOSPC', async () => {
    const write = { type: 'write', object: 1, length: 9000, fill: 7 } as const;
    const offsets = [0, 20_000, 40_000, 60_000];
    const steps = offsets.map((offset) =>
      byRoot({ ...write, offset, stable: StableHow.FILE_SYNC }),
    );
    const counts = noCounts();
    await withBench((bench) => runSequence(bench, { steps, quota: 32 * 1024 }, counts));
    assert.ok(counts.refusedForSpace > 0 && counts.refusedForSpace < offsets.length);
  });

  it('does each call once, whenever the connection is cut', async () => {
    const where = { dir: 0, name: 'new' };
    const create = { type: 'create', where, how: 'guarded', mode: 0o644 } as const;
    const counts = noCounts();
    const losses: Loss[] = [
      'the call is lost',
      'the reply is lost',
      'it is cut while the call runs',
    ];
    await withBench((bench) =>
      runSequence(
        bench,
        {
          steps: losses.flatMap((loss) => [
            byRoot(create, loss),
            byRoot({ type: 'remove', where }, loss),
          ]),
        },
        counts,
      ),
    );
    assert.equal(counts.connectionsLost, 6);
  });

  it('loses nothing that a client sends again after a kill', async () => {
    const write = { type: 'write', object: 1, offset: 100, length: 9000, fill: 7 } as const;
    await withBench((bench) =>
      runSequence(
        bench,
        {
          steps: [
            byRoot({ ...write, stable: StableHow.UNSTABLE }),
            { disturbance: 'kill of the proxy' },
            byRoot({ ...write, offset: 20_000, stable: StableHow.UNSTABLE }),
            { disturbance: 'restart of the proxy' },
          ],
        },
        noCounts(),
      ),
    );
  });
});
