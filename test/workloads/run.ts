import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { TestScope } from '../support/test-scope.ts';
import { countChecks, type WorkloadResult } from './comparison.ts';
import { debianTree } from './debian/tree.ts';
import type { FileSystemName, MountedTree } from './mounted-tree.ts';
import { mountFileSystems } from './three-file-systems.ts';
import type { RunOptions, Workload } from './workload.ts';

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
    for (const workload of workloads) {
      for (const tree of trees) {
        const result = await runOn(tree, workload, options);
        const { passed, failed } = countChecks(result.checks);
        log(
          `${workload.name} on ${tree.fileSystem}: ${passed} passed, ${failed} failed, ${result.seconds.toFixed(1)} s`,
        );
        for (const { name, detail } of result.checks.filter((check) => !check.passed)) {
          log(`  failed: ${name}: ${detail.trimEnd()}`);
        }
        results.push(result);
      }
    }
    for (const tree of trees) await tree.leave();
    finished = true;
    return results;
  } finally {
    await scope.close({ printLogs: !finished });
  }
}

async function runOn(
  tree: MountedTree,
  workload: Workload,
  options: RunOptions,
): Promise<WorkloadResult> {
  await tree.dropCaches();
  const started = performance.now();
  const checks = await workload.run(tree, options);
  const seconds = (performance.now() - started) / 1000;
  return { workload: workload.name, fileSystem: tree.fileSystem, checks, seconds };
}
