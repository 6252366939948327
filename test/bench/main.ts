/**
 * `pnpm bench`: lists the cases. `pnpm bench CASE [--short]`: runs one, keeps its result, renders
 * docs/benchmarks.md, and prints the result as JSON in its last line.
 */
import type { BenchCase } from './bench-case.ts';
import { boot } from './cases/boot.ts';
import { bootRack } from './cases/boot-rack.ts';
import { imageCold } from './cases/image-cold.ts';
import { imageSecondRun } from './cases/image-second-run.ts';
import { imageUpgrade } from './cases/image-upgrade.ts';
import { imageWarm } from './cases/image-warm.ts';
import { memory } from './cases/memory.ts';
import { overlayOps } from './cases/overlay-ops.ts';
import { proxyWarm } from './cases/proxy-warm.ts';
import { registryLookup } from './cases/registry-lookup.ts';
import { vmDiskCases } from './cases/vm-disk.ts';
import { keepResult } from './report.ts';

const cases: readonly BenchCase[] = [
  proxyWarm,
  overlayOps,
  imageCold,
  imageSecondRun,
  imageUpgrade,
  imageWarm,
  memory,
  registryLookup,
  boot,
  bootRack,
  ...vmDiskCases,
];

const args = process.argv.slice(2).filter((arg) => arg !== '--');
const short = args.includes('--short');
const unknown = args.filter((arg) => arg.startsWith('-') && arg !== '--short');
const [name, ...more] = args.filter((arg) => !arg.startsWith('-'));

if (name === undefined) {
  for (const each of cases) process.stdout.write(`${each.name}  ${each.description}\n`);
} else {
  const found = cases.find((each) => each.name === name);
  if (found === undefined || more.length > 0 || unknown.length > 0) {
    process.stderr.write(
      `bench: usage: pnpm bench CASE [--short], where CASE is ${cases.map((c) => c.name).join(', ')}\n`,
    );
    process.exit(2);
  }
  const log = (line: string): void => void process.stderr.write(`${line}\n`);
  const result = await found.run({ short, log });
  // A short run shows that the case works; only a full one is kept to be quoted.
  if (!short) await keepResult(result);
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
