import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Random } from '../support/random.ts';
import { whatIsLost } from './judge.ts';
import { CLIENTS } from './overlay.ts';
import { DiskHistory, DiskImage } from './power-cut.ts';
import { readShadow, readShadows } from './reader-process.ts';
import { type RunResult, withPlaces } from './run.ts';
import { type FileEvent, isLock, readSystemCalls, straceCommand } from './system-call-log.ts';
import { type Acknowledgement, acknowledgementsIn, writeUntilKilled } from './writer-process.ts';

const ACKNOWLEDGED = 120;
const CUTS_PER_RUN = 24;

/**
 * Power cuts: every system call of one writer is logged, and the disk is made anew as it would be
 * had the power gone at this or that call, with none or with any part of what was not synced.
 *
 * Taken for granted: a page of 4 KiB is written wholly or not at all, and a disk that says that it has
 * flushed has.
 */
export function powerCutRun(seed: number): Promise<RunResult> {
  const random = new Random(seed);
  return withPlaces(async ({ lower, shadow }, directory) => {
    const { trees: before } = await readShadow(lower, shadow, false);
    const disk = DiskImage.read(shadow, isLock);
    const seeds = CLIENTS.map(() => random.uint32());
    const log = join(directory, 'system-calls');
    const written = { killAfter: ACKNOWLEDGED, delayMs: 0, under: straceCommand(log) };
    const { length: acknowledged } = await writeUntilKilled({ lower, shadow, seeds }, written);
    const events = readSystemCalls(await readFile(log, 'latin1'), shadow, isLock);
    const cuts = Array.from({ length: CUTS_PER_RUN }, (_, index) => ({
      at: random.pick(events).begin + random.below(2),
      survivors: index % 2 === 0 ? ('none' as const) : ('any' as const),
      shadow: join(directory, `cut-${index}`),
    }));
    const history = new DiskHistory(disk, events);
    for (const { at, survivors, shadow: target } of cuts) {
      history.diskAfterCrash(at, survivors, random).writeTo(target);
    }
    const task = { lower, directories: CLIENTS, shadows: cuts, empty: true };
    const seen = await readShadows(task);
    await Promise.all(cuts.map((cut) => rm(cut.shadow, { recursive: true, force: true })));
    const lost = cuts.flatMap(({ at, survivors }, index) => {
      const after = seen[index] ?? 'it was not read';
      const story = { before, seeds, acknowledgements: acknowledgedBefore(at, events) };
      const problems =
        typeof after === 'string'
          ? [after]
          : [
              ...whatIsLost(story, after.trees),
              ...after.problems.map((problem) => `fsck finds ${problem}`),
              ...after.leftBehind.map((file) => `data file ${file} belongs to nobody`),
            ];
      return problems.map((problem) => `power cut at ${at}, ${survivors} survives: ${problem}`);
    });
    return { points: cuts.length, acknowledged, lost };
  });
}

function acknowledgedBefore(at: number, events: readonly FileEvent[]): Acknowledgement[] {
  const output = events.map((event) =>
    event.kind === 'output' && event.end < at ? event.text : '',
  );
  return acknowledgementsIn(output.join(''));
}
