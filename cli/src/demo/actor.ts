import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { CliError } from '../errors.ts';

// The same code that runs now: source in a checkout, dist when installed.
const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const rowfs = fileURLToPath(new URL(`../main.${extension}`, import.meta.url));
const client = fileURLToPath(new URL(`client.${extension}`, import.meta.url));

/** A process of the story: it says JSON lines on standard output and has a name. */
export class Actor {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #ended: Promise<unknown>;
  #errors = '';

  constructor(name: string, command: 'rowfs' | 'client', args: readonly string[]) {
    this.name = name;
    const script = command === 'rowfs' ? rowfs : client;
    this.#child = spawn(process.execPath, [script, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      // A Ctrl-C at the terminal is for the story, which ends its actors in order.
      detached: true,
    });
    const { stdout, stderr } = this.#child;
    if (stdout === null || stderr === null) throw new Error('a child without pipes');
    stderr.on('data', (chunk: Buffer) => {
      this.#errors = `${this.#errors}${chunk.toString()}`.slice(-4000);
    });
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
    this.#ended = once(this.#child, 'exit');
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** The next line it says. @throws CliError with what it said on standard error when it ended. */
  async next<T>(): Promise<T> {
    const line = await this.#lines.next();
    if (line.done !== true) return JSON.parse(line.value) as T;
    await this.#ended;
    throw new CliError('DEMO_FAILED', `${this.name} ended early: ${this.#errors.trim()}`);
  }

  /** Ends it as Ctrl-C would, and waits until it is gone. */
  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill('SIGTERM');
    }
    await this.#ended;
  }

  /** kill -9, and waits until it is gone. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }
}
