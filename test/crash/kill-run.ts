import { Random } from '../support/random.ts';
import { whatIsLost } from './judge.ts';
import { CLIENTS } from './overlay.ts';
import { readShadow } from './reader-process.ts';
import { type RunResult, withPlaces } from './run.ts';
import { writeUntilKilled } from './writer-process.ts';

/** How often one shadow is killed, each time going on from where it was. */
const KILLS_PER_RUN = 4;
const MAX_ACKNOWLEDGED = 300;
const MAX_DELAY_MS = 4;

/** kill -9: one shadow, written to and killed again and again. */
export function killRun(seed: number): Promise<RunResult> {
  const random = new Random(seed);
  return withPlaces(async ({ lower, shadow }) => {
    const lost: string[] = [];
    let seen = await readShadow(lower, shadow, false);
    const verifiers = new Set([seen.verifier]);
    let points = 0;
    let acknowledged = 0;
    while (points < KILLS_PER_RUN && lost.length === 0) {
      points += 1;
      const seeds = CLIENTS.map(() => random.uint32());
      const acknowledgements = await writeUntilKilled(
        { lower, shadow, seeds },
        {
          killAfter: 1 + random.below(MAX_ACKNOWLEDGED),
          delayMs: (random.below(1000) * MAX_DELAY_MS) / 1000,
        },
      );
      acknowledged += acknowledgements.length;
      const story = { before: seen.trees, seeds, acknowledgements };
      seen = await readShadow(lower, shadow, points === KILLS_PER_RUN);
      lost.push(...whatIsLost(story, seen.trees));
      if (verifiers.has(seen.verifier)) lost.push(`write verifier ${seen.verifier} came again`);
      verifiers.add(seen.verifier);
      for (const problem of seen.problems) lost.push(`fsck finds ${problem}`);
      for (const file of seen.leftBehind) lost.push(`data file ${file} belongs to nobody`);
    }
    return { points, acknowledged, lost };
  });
}
