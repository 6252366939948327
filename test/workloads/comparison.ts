/** What the same workloads did on each file system, and where they differ. */
import type { FileSystemName } from './mounted-tree.ts';
import type { Check } from './workload.ts';

export type WorkloadResult = {
  readonly workload: string;
  readonly fileSystem: FileSystemName;
  readonly checks: readonly Check[];
  readonly seconds: number;
};

/** A check that `passing` passes and `failing` fails, or never came to. */
export type Difference = {
  readonly workload: string;
  readonly check: string;
  readonly detail: string;
};

/** What `failing` fails of that which `passing` passes, workload by workload. */
export function failsOnlyOn(
  results: readonly WorkloadResult[],
  failing: FileSystemName,
  passing: FileSystemName,
): readonly Difference[] {
  return results.flatMap(({ workload, fileSystem, checks }) => {
    if (fileSystem !== passing) return [];
    const other = results.find(
      (result) => result.workload === workload && result.fileSystem === failing,
    );
    if (other === undefined) return [];
    return checks.flatMap(({ name, passed }) => {
      const same = other.checks.find((check) => check.name === name);
      if (!passed || same?.passed === true) return [];
      return [{ workload, check: name, detail: same?.detail ?? 'it did not come to this' }];
    });
  });
}

/** A row for each workload, a column for each file system: passed, failed, seconds. */
export function renderTable(results: readonly WorkloadResult[]): string {
  const fileSystems = [...new Set(results.map(({ fileSystem }) => fileSystem))];
  const workloads = [...new Set(results.map(({ workload }) => workload))];
  const rows = workloads.map((workload) => [
    workload,
    ...fileSystems.map((fileSystem) =>
      cell(results.find((each) => each.workload === workload && each.fileSystem === fileSystem)),
    ),
  ]);
  return renderRows([['workload', ...fileSystems], ...rows]);
}

function cell(result: WorkloadResult | undefined): string {
  if (result === undefined) return '-';
  const { passed, failed } = countChecks(result.checks);
  return `${passed} passed, ${failed} failed, ${result.seconds.toFixed(1)} s`;
}

export function countChecks(checks: readonly Check[]): { passed: number; failed: number } {
  const passed = checks.filter((check) => check.passed).length;
  return { passed, failed: checks.length - passed };
}

function renderRows(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows
    .map((row) =>
      row
        .map((text, column) => text.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
