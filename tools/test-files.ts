import { run } from 'node:test';
import { spec } from 'node:test/reporters';

/** How many tests (not suites) ended how. */
export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

export interface TestRun {
  readonly files: readonly string[];
  /** Files run at the same time. */
  readonly concurrency: number;
  /** A file that takes longer has failed, in milliseconds. */
  readonly timeout: number;
}

/** Runs test files, each in a process of its own, reports on standard output, and counts. */
export async function runTestFiles({ files, concurrency, timeout }: TestRun): Promise<Counts> {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  if (files.length === 0) return counts;
  const events = run({ files: [...files], concurrency, timeout });
  events.on('test:pass', ({ skip, details }) => {
    if (details.type === 'suite') return;
    if (skip === undefined || skip === false) counts.passed += 1;
    else counts.skipped += 1;
  });
  events.on('test:fail', ({ details }) => {
    if (details.type !== 'suite') counts.failed += 1;
  });
  for await (const chunk of events.compose(spec)) process.stdout.write(String(chunk));
  return counts;
}
