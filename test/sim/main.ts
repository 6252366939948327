/**
 * `pnpm sim`: lists the scenarios. `pnpm sim SCENARIO [--nodes N] [--seed S]`: plays one on virtual
 * time and prints its result as JSON in the last line; exit status 1 when a promise was broken. The
 * same seed and nodes give the same result, to the letter. `--runs R` plays so many seeds, from S on, until one breaks
 * a promise.
 *
 * Real: everything of the registry above its transport and its routing table (lookups, replicas,
 * quorums, the three tables, publisher, resolver, announcements, leases, gc). Not real: the network,
 * which carries requests uncoded; the routing table, plain k-buckets where the product has kad-dht's;
 * and joining, which is a self-lookup through three nodes that are up.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { Random } from '../support/random.ts';
import { uniform } from './distributions.ts';
import type { Scenario } from './scenario.ts';
import { churn } from './scenarios/churn.ts';
import { gc } from './scenarios/gc.ts';
import { lookup } from './scenarios/lookup.ts';
import { sharers } from './scenarios/sharers.ts';

const DEFAULT_NODES = 200;
/** Below this a network is no network: eight nodes hold each record. */
const MIN_NODES = 20;
const scenarios: readonly Scenario[] = [lookup, churn, gc, sharers];

function exitWith(problem: string): never {
  process.stderr.write(
    `sim: ${problem}\nusage: pnpm sim SCENARIO [--nodes N] [--seed S] [--runs R]\n`,
  );
  process.exit(2);
}

function wholeNumber(text: string, option: string, least: number): number {
  if (!/^\d{1,9}$/.test(text) || Number(text) < least) {
    return exitWith(`${option} wants a whole number from ${least}, not '${text}'`);
  }
  return Number(text);
}

function readArguments() {
  try {
    return parseArgs({
      args: process.argv.slice(2).filter((arg) => arg !== '--'),
      allowPositionals: true,
      options: {
        nodes: { type: 'string', default: String(DEFAULT_NODES) },
        seed: { type: 'string' },
        runs: { type: 'string', default: '1' },
      },
    });
  } catch (error) {
    return exitWith(error instanceof Error ? error.message : String(error));
  }
}

/** Plays one run; resolves to whether all promises held. */
async function play(scenario: Scenario, nodes: number, seed: number): Promise<boolean> {
  // The registry spreads its refreshes by chance: that chance is the seed's too.
  const random = new Random(seed);
  Math.random = () => uniform(random);
  const log = (line: string): void => void process.stderr.write(`${line}\n`);
  const started = performance.now();
  const { figures, broken } = await scenario.run({ nodes, seed, log });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  // The peak of the whole process, in KiB (getrusage).
  const mebibytes = Math.round(process.resourceUsage().maxRSS / 1024);
  log(`took ${seconds} s and ${mebibytes} MiB`);
  for (const promise of broken) process.stdout.write(`broken: ${promise}\n`);
  if (broken.length > 0) {
    process.stdout.write(`  replay: pnpm sim ${scenario.name} --nodes ${nodes} --seed ${seed}\n`);
    process.exitCode = 1;
  }
  const result = { scenario: scenario.name, seed, nodes, figures, broken: broken.length };
  process.stdout.write(`${JSON.stringify(result)}\n`);
  return broken.length === 0;
}

const { values, positionals } = readArguments();
const [name, ...more] = positionals;

if (name === undefined) {
  for (const { name: known, description } of scenarios) {
    process.stdout.write(`${known.padEnd(8)} ${description}\n`);
  }
} else {
  const scenario = scenarios.find((each) => each.name === name);
  if (scenario === undefined) exitWith(`no scenario is named '${name}'`);
  if (more.length > 0) exitWith(`'${more.join(' ')}' is one argument too many`);
  const nodes = wholeNumber(values.nodes, '--nodes', MIN_NODES);
  const seed = wholeNumber(values.seed ?? String(randomInt(2 ** 29)), '--seed', 0);
  const runs = wholeNumber(values.runs, '--runs', 1);
  for (let run = 0; run < runs; run += 1) {
    if (!(await play(scenario, nodes, seed + run))) break;
  }
}
