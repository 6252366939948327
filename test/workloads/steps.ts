import type { MountedTree } from './mounted-tree.ts';
import type { Check } from './workload.ts';

/** A check's name, and the script that passes it when it ends with status 0. */
export type Step = readonly [name: string, script: string];

export type Steps = {
  /** In the tree; made before the first step, and where each begins. */
  readonly directory: string;
  readonly steps: readonly Step[];
};

/** Emulated CPUs are slow, and so is a compiler. */
const STEP_TIMEOUT_MS = 1_800_000;

/** Runs scripts one after the other, each from cold caches: what it finds was sent to where it is kept. */
export async function runSteps(tree: MountedTree, { directory, steps }: Steps): Promise<Check[]> {
  const checks: Check[] = [];
  for (const [name, script] of steps) {
    await tree.dropCaches();
    const inDirectory = `set -e\nmkdir -p ${directory}\ncd ${directory}\n${script}`;
    checks.push(await tree.check(name, inDirectory, { timeoutMs: STEP_TIMEOUT_MS }));
  }
  return checks;
}
