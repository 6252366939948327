/** `pnpm verify`: the quick loop. Formatting, types, lint, unit tests. */
import { runCheck, staticChecks } from './checks.ts';
import { runTestFiles } from './test-files.ts';
import { unitTestFiles } from './unit-tests.ts';

let failed = 0;
for (const check of staticChecks) {
  if (!(await runCheck(check))) failed += 1;
}
const counts = await runTestFiles({ files: unitTestFiles(), concurrency: 2, timeout: 180_000 });
process.stdout.write(
  `\n${counts.passed + staticChecks.length - failed} passed, ${counts.failed + failed} failed, ${counts.skipped} skipped\n`,
);
process.exitCode = failed + counts.failed > 0 ? 1 : 0;
