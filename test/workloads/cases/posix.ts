import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { utf8 } from '../../support/guest.ts';
import type { MountedTree } from '../mounted-tree.ts';
import { compiledProgram, installProgram } from '../programs/program.ts';
import type { Check, Workload } from '../workload.ts';

const DIRECTORY = '/srv/workloads/posix';
const TIMEOUT_MS = 1_800_000;

/** Everything is tried on objects that the image brought, and on those that were made through the mount. */
const SETTINGS = [
  ['image', 'check'],
  ['made here', 'run'],
] as const;

export const posix: Workload = {
  name: 'posix',
  description: 'what POSIX says of files and directories, assertion by assertion',

  async prepare(imageTree) {
    await installProgram('posix', imageTree);
    for (const [setting] of SETTINGS) {
      await mkdir(join(imageTree, DIRECTORY, setting), { recursive: true });
    }
    await execa(await compiledProgram('posix'), ['prepare', join(imageTree, DIRECTORY, 'image')]);
  },

  async run(tree) {
    const checks: Check[] = [];
    for (const [setting, mode] of SETTINGS) {
      await tree.dropCaches();
      checks.push(...(await runIn(tree, setting, mode)));
    }
    return checks;
  },
};

async function runIn(tree: MountedTree, setting: string, mode: string): Promise<readonly Check[]> {
  const { stdout, stderr, status } = await tree.run(
    `/srv/workloads/programs/posix ${mode} '${DIRECTORY}/${setting}'`,
    { timeoutMs: TIMEOUT_MS },
  );
  const lines = utf8(stdout).trimEnd().split('\n');
  const isDone = status === 0 && lines.at(-1) === 'done';
  const end = { name: `${setting}: it runs to the end`, passed: isDone };
  return [
    ...lines.flatMap((line) => parseAssertion(line, setting)),
    { ...end, detail: isDone ? '' : `status ${status}: ${utf8(stderr)}` },
  ];
}

/** A line of four fields: see programs/posix/harness.h. Other lines, of what went wrong, are none. */
function parseAssertion(line: string, setting: string): readonly Check[] {
  const [verdict, caseName, assertion, detail = ''] = line.split('\t');
  if (assertion === undefined) return [];
  return [{ name: `${setting}: ${caseName}: ${assertion}`, passed: verdict === 'ok', detail }];
}
