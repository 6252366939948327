import { ExpectedTree } from './expected-tree.ts';
import { CLIENTS } from './overlay.ts';
import type { SeenTree } from './operation.ts';
import { randomOperation } from './random-operation.ts';
import { Random } from '../support/random.ts';
import type { Acknowledgement } from './writer-process.ts';

/** What went on before a crash. */
export interface Story {
  /** Each client's tree when the writer began. */
  readonly before: readonly SeenTree[];
  /** Each client's seed: with the tree before, it gives its operations. */
  readonly seeds: readonly number[];
  readonly acknowledgements: readonly Acknowledgement[];
}

/** What is lost or half done in the trees after the crash; nothing when all is well. */
export function whatIsLost(story: Story, after: readonly SeenTree[]): string[] {
  return CLIENTS.flatMap((client, index) => {
    const expected = ExpectedTree.of(story.before[index] ?? {});
    const own = story.acknowledgements.filter((each) => each.client === index);
    const differences = differencesAfter(
      expected,
      new Random(story.seeds[index] ?? 0),
      own,
      after[index] ?? {},
    );
    return differences.map((difference) => `${client}: ${difference}`);
  });
}

/** Plays what was acknowledged, then judges the tree with and without the operation in flight. */
function differencesAfter(
  expected: ExpectedTree,
  random: Random,
  acknowledgements: readonly Acknowledgement[],
  seen: SeenTree,
): string[] {
  for (const { handle } of acknowledgements) {
    expected.acknowledge(randomOperation(expected, random), handle);
  }
  const inFlight = randomOperation(expected, random);
  const done = expected.clone();
  done.begin(inFlight);
  const without = expected.differences(seen);
  if (without.length === 0 || done.differences(seen).length === 0) return [];
  return without.map((difference) => `${difference} (in flight: ${JSON.stringify(inFlight)})`);
}
