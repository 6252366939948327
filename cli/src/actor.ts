import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { CliError } from './errors.ts';

// The same code that runs now: source in a checkout, dist when installed.
const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const rowfs = fileURLToPath(new URL(`main.${extension}`, import.meta.url));
const client = fileURLToPath(new URL(`demo/client.${extension}`, import.meta.url));

/** A process that another command runs: it says JSON lines on standard output and has a name. */
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
      // A Ctrl-C at the terminal is for who runs it, and ends it in order.
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
    throw new CliError('ENDED_EARLY', `${this.name} ended early: ${reasonOf(this.#errors)}`);
  }

  /** Ends it as Ctrl-C would, and waits until it is gone. */
  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill('SIGTERM');
    }
    await this.#ended;
  }

  /** It does nothing any more, but its connections stay open. */
  hang(): void {
    this.#child.kill('SIGSTOP');
  }

  goOn(): void {
    this.#child.kill('SIGCONT');
  }

  /** kill -9, and waits until it is gone. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }
}

/** What `rowfs --json` says last is why it ends: that alone, without what it logged before. */
function reasonOf(errors: string): string {
  const said = errors.trim();
  const last = said.slice(said.lastIndexOf('\n') + 1);
  const match = /^\{"error":(?<error>\{.*\})\}$/.exec(last);
  if (match?.groups?.['error'] === undefined) return said;
  const { message } = JSON.parse(match.groups['error']) as { readonly message?: string };
  return message ?? said;
}
