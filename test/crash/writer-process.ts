import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { WriterTask } from './writer.ts';

/** One line of the writer's output. */
export interface Acknowledgement {
  readonly client: number;
  readonly handle: string | undefined;
}

export interface WriterOptions {
  /** How many acknowledgements are waited for before it is killed. */
  readonly killAfter: number;
  /** How long after that, in ms. */
  readonly delayMs: number;
  /** A command that is to run the writer; it must leave it the direct child. */
  readonly under?: readonly string[];
}

const WRITER = fileURLToPath(new URL('writer.ts', import.meta.url));

/** Runs the writer and kills it (SIGKILL); resolves to what it acknowledged, in order. */
export async function writeUntilKilled(
  task: WriterTask,
  { killAfter, delayMs, under = [] }: WriterOptions,
): Promise<Acknowledgement[]> {
  const [command, ...args] = [...under, process.execPath, WRITER, JSON.stringify(task)];
  const writer = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let errors = '';
  let lines = 0;
  writer.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  writer.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    const before = lines;
    lines += text.split('\n').length - 1;
    if (before >= killAfter || lines < killAfter) return;
    // Timers are too coarse: the moment has to fall anywhere between two system calls.
    const until = performance.now() + delayMs;
    while (performance.now() < until);
    writer.kill('SIGKILL');
  });
  const signal = await new Promise<string | null>((resolve, reject) => {
    writer.on('error', reject);
    writer.on('close', (_, name) => resolve(name));
  });
  if (signal !== 'SIGKILL') throw new Error(`the writer ended by itself: ${errors}`);
  return acknowledgementsIn(output);
}

/** A line that is not whole was never acknowledged. */
export function acknowledgementsIn(output: string): Acknowledgement[] {
  return output
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const [client, handle] = line.split(' ');
      return { client: Number(client), handle: handle === '-' ? undefined : handle };
    });
}
