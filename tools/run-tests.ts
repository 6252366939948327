/**
 * `npm test`: everything, from the static checks to the end-to-end tests on real parts.
 * `--e2e [NAME ...]` runs only end-to-end tests: all, or those whose file name has a NAME in it.
 * The last line is `N passed, N failed, N skipped`; under CI=true a skipped test is a failure.
 */
import { globSync } from 'node:fs';
import { type Check, runCheck, staticChecks } from './checks.ts';
import { type Counts, runTestFiles } from './test-files.ts';
import { unitTestFiles } from './unit-tests.ts';

const total: Counts = { passed: 0, failed: 0, skipped: 0 };

function add(counts: Counts): void {
  total.passed += counts.passed;
  total.failed += counts.failed;
  total.skipped += counts.skipped;
}

function heading(text: string): void {
  process.stdout.write(`\n── ${text} ${'─'.repeat(Math.max(0, 80 - text.length))}\n`);
}

const [mode, ...names] = process.argv.slice(2);
const e2eOnly = mode === '--e2e';
if (mode !== undefined && !e2eOnly) {
  process.stderr.write(`run-tests: unknown argument '${mode}'; known: --e2e [NAME ...]\n`);
  process.exit(2);
}

const e2eFiles = globSync('test/e2e/*.test.ts')
  .filter((file) => names.length === 0 || names.some((name) => file.includes(name)))
  .sort();
if (e2eFiles.length === 0) {
  process.stderr.write(`run-tests: no end-to-end test is named ${names.join(' or ')}\n`);
  process.exit(2);
}

if (!e2eOnly) {
  heading('static checks');
  for (const check of staticChecks) {
    const passed = await runCheck(check);
    add({ passed: passed ? 1 : 0, failed: passed ? 0 : 1, skipped: 0 });
  }
  heading('unit tests');
  add(await runTestFiles({ files: unitTestFiles(), concurrency: 2, timeout: 180_000 }));
}

heading('end-to-end tests on real parts');
const debianPackages: Check = {
  name: 'Debian packages',
  command: ['node', 'tools/install-debian-packages.ts'],
};
if (!(await runCheck(debianPackages))) total.failed += 1;
// One at a time: each boots machines that need both cores.
add(await runTestFiles({ files: e2eFiles, concurrency: 1, timeout: 900_000 }));

const skippedInCi = process.env['CI'] === 'true' && total.skipped > 0;
if (skippedInCi) process.stdout.write('\nUnder CI=true nothing may be skipped.\n');
const { passed, failed, skipped } = total;
process.stdout.write(`\n${passed} passed, ${failed} failed, ${skipped} skipped\n`);
process.exitCode = failed > 0 || skippedInCi ? 1 : 0;
