import { setImmediate } from 'node:timers/promises';
import { Coverage } from './coverage.ts';
import { mutate } from './mutate.ts';
import { BrokenProperty, type Parser } from './parser.ts';
import { Random } from '../support/random.ts';

/** Inputs between two looks at the coverage. */
const BATCH = 256;
/** As many different findings end a run: what follows them is mostly the same again. */
const MAX_FINDINGS = 10;

/** An input that brought out what must not come out. */
export interface Finding {
  /** The property that was broken, or the error and where it was thrown: what tells findings apart. */
  readonly what: string;
  readonly input: Uint8Array;
}

export interface FuzzResult {
  readonly executions: number;
  /** Inputs kept because each reaches code that those before it do not, seeds included. */
  readonly corpus: number;
  readonly findings: readonly Finding[];
}

export interface FuzzOptions {
  readonly seconds: number;
  readonly seed: number;
  /** Told of each input before it is run, for whoever watches over hangs. */
  readonly begins: (input: Uint8Array) => void;
}

/** Runs `parser` on mutants of its seeds, and on mutants of mutants that reached new code. */
export async function fuzz(
  parser: Parser,
  { seconds, seed, begins }: FuzzOptions,
): Promise<FuzzResult> {
  const random = new Random(seed);
  const coverage = new Coverage();
  const corpus: Uint8Array[] = [];
  const findings = new Map<string, Finding>();
  let executions = 0;

  const run = async (input: Uint8Array): Promise<void> => {
    begins(input);
    executions += 1;
    const finding = await findingIn(parser, input);
    if (finding !== undefined && !findings.has(finding.what)) findings.set(finding.what, finding);
  };
  const runBatch = async (batch: readonly Uint8Array[]): Promise<void> => {
    for (const input of batch) await run(input);
    if (!coverage.take({ keep: false }).isNew) return;
    for (const input of batch) {
      await run(input);
      if (coverage.take({ keep: true }).isNew) corpus.push(input);
    }
  };

  try {
    const seeds = parser.seeds(seed);
    await runBatch(seeds);
    const end = performance.now() + seconds * 1000;
    while (performance.now() < end && findings.size < MAX_FINDINGS) {
      const batch = Array.from({ length: BATCH }, () => {
        // Seeds stay in the draw, for coverage does not see every difference that matters.
        const pool = corpus.length > 0 && random.below(2) === 0 ? corpus : seeds;
        return mutate(random.pick(pool), random.pick(seeds), random);
      });
      await runBatch(batch);
    }
  } finally {
    coverage.close();
  }
  return { executions, corpus: corpus.length, findings: [...findings.values()] };
}

/** Runs one input; undefined when nothing came out that must not. */
export async function findingIn(parser: Parser, input: Uint8Array): Promise<Finding | undefined> {
  try {
    await parser.run(input);
    // A rejection that nobody handles ends the thread here, while this input is the last begun.
    await setImmediate();
    return undefined;
  } catch (error) {
    return { what: describe(error), input };
  }
}

function describe(error: unknown): string {
  if (error instanceof BrokenProperty) return error.message;
  if (!(error instanceof Error)) return `thrown: ${String(error)}`;
  const place = error.stack?.split('\n').find((line) => sourceLine.test(line));
  return `${error.name} ${sourceLine.exec(place ?? '')?.[0] ?? 'outside of the project'}`;
}

/** A place in the project's own sources. */
const sourceLine = /(?:packages\/[a-z0-9-]+|registry|proxy|cli)\/src\/[^)]*/;
