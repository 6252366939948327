import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { compiledProgram, installProgram, PROGRAMS_IN_TREE } from '../programs/program.ts';
import type { RunOptions, Workload } from '../workload.ts';

const DIRECTORY = '/srv/workloads/fsx';
const STEP_TIMEOUT_MS = 3_600_000;

type Run = { readonly seed: number; readonly operations: number; readonly onImageFile: boolean };

function runs({ long }: RunOptions): readonly Run[] {
  const seeds = long ? [1, 2, 3, 4, 5, 6] : [1, 2];
  const operations = long ? 40_000 : 2_000;
  return seeds.map((seed) => ({ seed, operations, onImageFile: seed % 2 === 1 }));
}

export const fsx: Workload = {
  name: 'fsx',
  description: 'random reads, writes, mappings and truncations of a file, against a copy in memory',

  async prepare(imageTree, options) {
    const program = await compiledProgram('fsx');
    await installProgram('fsx', imageTree);
    await mkdir(join(imageTree, DIRECTORY), { recursive: true });
    for (const { seed, onImageFile } of runs(options)) {
      const file = join(imageTree, DIRECTORY, String(seed));
      if (onImageFile) await execa(program, ['prepare', file, String(seed)]);
    }
  },

  async run(tree, options) {
    const checks = [];
    for (const { seed, operations, onImageFile } of runs(options)) {
      const name = `${operations} operations on a file ${onImageFile ? 'of the image' : 'made here'}, seed ${seed}`;
      const script = `${PROGRAMS_IN_TREE}/fsx run ${DIRECTORY}/${seed} ${seed} ${operations}`;
      checks.push(await tree.check(name, script, { timeoutMs: STEP_TIMEOUT_MS }));
    }
    return checks;
  },
};
