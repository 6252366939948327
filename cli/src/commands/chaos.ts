import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { type Command, Option } from 'commander';
import prettyMilliseconds from 'pretty-ms';
import type { ChaosEvent } from '../chaos/history.ts';
import { type ChaosReport, playChaos } from '../chaos/play.ts';
import { commandContext } from '../command-context.ts';
import { CliError } from '../errors.ts';
import { parseDuration, wholeNumber } from '../options.ts';
import { stopSignal } from '../stop-signal.ts';

interface ChaosCommandOptions {
  readonly seed?: number;
  readonly duration: number;
  readonly nodes: number;
  readonly servers: number;
  readonly clients: number;
  readonly lease: number;
  readonly history?: string;
}

export function addChaosCommand(program: Command): void {
  program
    .command('chaos')
    .description(
      'kill, hang and cut off real processes on this machine, and see what is promised hold',
    )
    .addOption(new Option('--seed <number>', 'what goes wrong, and when').argParser(wholeNumber(0)))
    .addOption(
      new Option('--duration <duration>', 'for how long things go wrong')
        .argParser(parseDuration)
        .default(60, '60s'),
    )
    .addOption(count('--nodes', 'of the registry', 5, 1))
    .addOption(count('--servers', 'with the image', 2, 1))
    .addOption(count('--clients', 'that run it, each through a proxy', 2, 1))
    .addOption(
      new Option('--lease <duration>', 'how long a version counts as used by who died')
        .argParser(parseDuration)
        .default(10, '10s'),
    )
    .option('--history <file>', 'write all that was done and seen there, a line of JSON each')
    .addHelpText(
      'after',
      `
All of it runs on loopback, in a temporary directory. While versions are published, read, and collected
as garbage, nodes and image servers are killed and hang, proxies are killed and restarted, and the
registry falls apart into two sides. What was seen is then judged by what rowfs promises.

Examples:
  $ rowfs chaos
  $ rowfs chaos --seed 7 --duration 5m --nodes 9 --history chaos.jsonl`,
    )
    .action(async (options: ChaosCommandOptions, command: Command) => {
      const { output } = commandContext(command);
      const { seed = Math.floor(Math.random() * 1_000_000) } = options;
      const interrupted = new AbortController();
      void stopSignal().then((signal) =>
        interrupted.abort(new CliError('INTERRUPTED', `ended by ${signal}`)),
      );
      const file = options.history === undefined ? undefined : createWriteStream(options.history);
      const written = file === undefined ? Promise.resolve() : finished(file);
      output.note(`seed ${seed}`);
      const running = playChaos({
        seed,
        seconds: options.duration,
        nodes: options.nodes,
        servers: options.servers,
        clients: options.clients,
        leaseSeconds: options.lease,
        onEvent: (event) => {
          file?.write(`${JSON.stringify(event)}\n`);
          const line = lineFor(event);
          if (line !== undefined) output.note(line);
        },
        signal: interrupted.signal,
      });
      try {
        const report = await running;
        const { verdicts } = report;
        const held = verdicts.every((verdict) => verdict.held);
        output.result({ seed, held, ...figuresOf(report), verdicts }, (result) =>
          [...verdicts.flatMap(verdictLines), summaryOf(result)].join('\n'),
        );
        if (!held) {
          throw new CliError(
            'PROMISE_BROKEN',
            `a promise did not hold; the same faults again: rowfs chaos --seed ${seed}`,
          );
        }
      } finally {
        file?.end();
        await written;
      }
    });
}

function count(flag: string, what: string, preset: number, least: number): Option {
  return new Option(`${flag} <count>`, what).argParser(wholeNumber(least)).default(preset);
}

/** What a person wants to see of an event; most are too many. */
function lineFor(event: ChaosEvent): string | undefined {
  const text = textFor(event);
  return text === undefined ? undefined : `${(event.at / 1000).toFixed(1).padStart(6)} s  ${text}`;
}

function textFor(event: ChaosEvent): string | undefined {
  switch (event.kind) {
    case 'fault':
      return event.what;
    case 'published':
      return `${event.version} is published`;
    case 'not-published':
      return `${event.version} is not published: ${event.reason}`;
    case 'mounted':
      return `${event.proxy} runs ${event.version}`;
    case 'collected':
      return event.versions.length === 0
        ? undefined
        : `gc lets ${event.versions.join(', ')} go, and its files are removed`;
    case 'not-collected':
      return `gc lets nothing go: ${event.reason}`;
    case 'read':
      return event.wrong === undefined
        ? undefined
        : `${event.proxy} reads ${event.path}: ${event.wrong}`;
    case 'calm':
      return 'all is repaired';
    case 'lease-ended':
      return `the lease of ${event.proxy}, killed for good, ended after ${prettyMilliseconds(event.afterMs)}`;
    case 'lease-stays':
      return `the lease of ${event.proxy}, killed for good, is still there`;
    case 'unmounted':
    case 'resolved':
    case 'not-resolved':
    case 'counted':
      return undefined;
  }
}

interface Figures {
  readonly faults: number;
  readonly reads: number;
  readonly longestReadMs: number;
  readonly resolves: number;
  readonly published: number;
  readonly collected: number;
}

function figuresOf({ events }: ChaosReport): Figures {
  const reads = events.filter((event) => event.kind === 'read');
  const countOf = (kind: ChaosEvent['kind']): number =>
    events.filter((event) => event.kind === kind).length;
  return {
    faults: countOf('fault'),
    reads: reads.length,
    longestReadMs: reads.reduce((longest, { ms }) => Math.max(longest, ms), 0),
    resolves: countOf('resolved'),
    published: countOf('published'),
    collected: events
      .filter((event) => event.kind === 'collected')
      .reduce((sum, { versions }) => sum + versions.length, 0),
  };
}

function verdictLines({
  promise,
  held,
  checked,
  broken,
}: ChaosReport['verdicts'][number]): string[] {
  const lines = broken.slice(0, 10).map((line) => `          ${line}`);
  return [`${held ? 'held  ' : 'BROKEN'}  ${promise} (checked: ${checked})`, ...lines];
}

function summaryOf(figures: Figures): string {
  const { faults, reads, longestReadMs, resolves, published, collected } = figures;
  return `${faults} faults; ${reads} files read, the longest in ${prettyMilliseconds(longestReadMs)}; ${resolves} answers of the registry; ${published} versions published, ${collected} collected`;
}
