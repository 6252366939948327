/**
 * `pnpm workloads [NAME ...] [--long] [--on ext4,ganesha,proxy]`: the same work on three file systems,
 * side by side in one Linux guest. Prints what fails as it goes, and a table; the last line is JSON. Exit status 1
 * when the proxy fails anything that a read-write server passes, 2 for a wrong command line.
 */
import { parseArgs } from 'node:util';
import { installCommand, whatIsLacking } from '../../tools/debian-packages.ts';
import { workloads } from './catalogue.ts';
import { countChecks, failsOnlyOn, renderTable } from './comparison.ts';
import { type FileSystemName, fileSystemNames } from './mounted-tree.ts';
import { runOnEach } from './run.ts';
import type { Workload } from './workload.ts';

function endWithUsage(reason: string): never {
  const names = workloads.map(({ name, description }) => `  ${name.padEnd(10)}  ${description}\n`);
  process.stderr.write(
    `workloads: ${reason}\nusage: pnpm workloads [NAME ...] [--long] [--on ${fileSystemNames.join(',')}]\n${names.join('')}`,
  );
  process.exit(2);
}

function isFileSystemName(name: string): name is FileSystemName {
  return (fileSystemNames as readonly string[]).includes(name);
}

function chooseFileSystems(list: string): readonly FileSystemName[] {
  return list.split(',').map((name) => {
    if (!isFileSystemName(name)) return endWithUsage(`no file system is named '${name}'`);
    return name;
  });
}

function chooseWorkloads(names: readonly string[]): readonly Workload[] {
  const unknown = names.find((name) => !workloads.some((each) => each.name === name));
  if (unknown !== undefined) endWithUsage(`no workload is named '${unknown}'`);
  return workloads.filter(({ name }) => names.length === 0 || names.includes(name));
}

function log(line: string): void {
  process.stderr.write(`${line}\n`);
}

const { values, positionals } = parseArgs({
  args: process.argv.slice(2).filter((arg) => arg !== '--'),
  options: {
    long: { type: 'boolean', default: false },
    on: { type: 'string', default: fileSystemNames.join(',') },
  },
  allowPositionals: true,
});
const chosen = chooseWorkloads(positionals);
const fileSystems = chooseFileSystems(values.on);

const needed = ['ganesha', 'qemu', 'guest-image', 'debian-tree'] as const;
const lacking = needed.filter((name) => whatIsLacking(name) !== undefined);
if (lacking.length > 0) {
  log(`workloads: needs root, and: ${installCommand(lacking)}`);
  process.exit(2);
}

const results = await runOnEach(chosen, fileSystems, { long: values.long }, log);
process.stdout.write(`${renderTable(results)}\n\n`);
const proxyOnly = failsOnlyOn(results, 'proxy', 'ganesha');
for (const { workload, check, detail } of proxyOnly) {
  process.stdout.write(
    `ganesha passes what the proxy fails: ${workload}: ${check}: ${detail.trimEnd()}\n`,
  );
}
process.stdout.write(
  `${JSON.stringify({
    long: values.long,
    results: results.map(({ workload, fileSystem, checks, seconds }) => ({
      workload,
      fileSystem,
      ...countChecks(checks),
      seconds: Number(seconds.toFixed(1)),
      failures: checks.filter((check) => !check.passed).map(({ name }) => name),
    })),
    proxyOnlyFailures: proxyOnly.map(({ workload, check }) => `${workload}: ${check}`),
  })}\n`,
);
process.exitCode = proxyOnly.length > 0 ? 1 : 0;
