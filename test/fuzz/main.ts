/**
 * `pnpm fuzz`: lists the parsers. `pnpm fuzz PARSER [--seconds N] [--seed S]`: runs it on mutated
 * messages, prints each finding with the command that replays it, and a result as JSON in the last
 * line; exit status 1 when there are findings. `--input HEX` runs one input.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { parserNamed, parsers } from './parsers/index.ts';
import { supervise } from './supervise.ts';

const DEFAULT_SECONDS = 60;

function wholeNumber(text: string, option: string): number {
  if (!/^\d{1,9}$/.test(text)) return exitWith(`${option} wants a whole number, not '${text}'`);
  return Number(text);
}

function exitWith(problem: string): never {
  process.stderr.write(
    `fuzz: ${problem}\nusage: pnpm fuzz PARSER [--seconds N] [--seed S] [--input HEX]\n`,
  );
  process.exit(2);
}

function readArguments() {
  try {
    return parseArgs({
      args: process.argv.slice(2).filter((arg) => arg !== '--'),
      allowPositionals: true,
      options: {
        seconds: { type: 'string', default: String(DEFAULT_SECONDS) },
        seed: { type: 'string' },
        input: { type: 'string' },
      },
    });
  } catch (error) {
    return exitWith(error instanceof Error ? error.message : String(error));
  }
}

const { values, positionals } = readArguments();
const [name, ...more] = positionals;

if (name === undefined) {
  for (const { name: known, description } of parsers) {
    process.stdout.write(`${known.padEnd(18)} ${description}\n`);
  }
} else {
  if (parserNamed(name) === undefined) exitWith(`no parser is named '${name}'`);
  if (more.length > 0) exitWith(`'${more.join(' ')}' is one argument too many`);
  const { input: hex } = values;
  if (hex !== undefined && !/^(?:[0-9a-f]{2})*$/i.test(hex)) exitWith('--input wants hex');
  const seed = wholeNumber(values.seed ?? String(randomInt(2 ** 29)), '--seed');
  const { executions, corpus, findings } = await supervise({
    parser: name,
    seconds: wholeNumber(values.seconds, '--seconds'),
    seed,
    input: hex === undefined ? undefined : Buffer.from(hex, 'hex'),
  });
  for (const { what, input } of findings) {
    const replay = `pnpm fuzz ${name} --input ${Buffer.from(input).toString('hex')}`;
    process.stdout.write(`finding: ${what}\n  replay: ${replay}\n`);
  }
  const seconds = hex === undefined ? Number(values.seconds) : 0;
  const result = { parser: name, seconds, seed, executions, corpus, findings: findings.length };
  process.stdout.write(`${JSON.stringify(result)}\n`);
  process.exitCode = findings.length > 0 ? 1 : 0;
}
