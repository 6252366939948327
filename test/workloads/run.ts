import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { TestScope } from '../support/test-scope.ts';
import { countChecks, type WorkloadResult } from './comparison.ts';
import { debianTree } from './debian/tree.ts';
import type { FileSystemName, MountedTree } from './mounted-tree.ts';
import { mountFileSystems } from './three-file-systems.ts';
import type { Check, RunOptions, Workload } from './workload.ts';

/** Runs each workload on one file system after the other, so that a busy machine is busy for all of them. */
export async function runOnEach(
  workloads: readonly Workload[],
  on: readonly FileSystemName[],
  options: RunOptions,
  log: (line: string) => void,
): Promise<readonly WorkloadResult[]> {
  const scope = new TestScope(await mkdtemp(join(tmpdir(), 'rowfs-workloads-')));
  let finished = false;
  try {
    const imageTree = join(scope.directory, 'image');
    await execa('cp', ['--archive', '--reflink=auto', await debianTree(), imageTree]);
    for (const workload of workloads) await workload.prepare(imageTree, options);
    const trees = await mountFileSystems(imageTree, on, scope);
    const results: WorkloadResult[] = [];
    const note = (result: WorkloadResult): void => {
      log(summaryOf(result));
      results.push(result);
    };
    for (const workload of workloads) {
      for (const tree of trees) {
        await tree.dropCaches();
        note(await timed(workload.name, tree, () => workload.run(tree, options)));
      }
    }
    for (const tree of trees) note(await timed('unmount', tree, async () => [await tree.leave()]));
    finished = true;
    return results;
  } finally {
    await scope.close({ printLogs: !finished });
  }
}

async function timed(
  workload: string,
  { fileSystem }: MountedTree,
  run: () => Promise<readonly Check[]>,
): Promise<WorkloadResult> {
  const started = performance.now();
  const checks = await run();
  return { workload, fileSystem, checks, seconds: (performance.now() - started) / 1000 };
}

function summaryOf({ workload, fileSystem, checks, seconds }: WorkloadResult): string {
  const { passed, failed } = countChecks(checks);
  const failures = checks
    .filter((check) => !check.passed)
    .map(({ name, detail }) => `\n  failed: ${name}: ${detail.trimEnd()}`);
  return `${workload} on ${fileSystem}: ${passed} passed, ${failed} failed, ${seconds.toFixed(1)} s${failures.join('')}`;
}
