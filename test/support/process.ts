/** Child processes of a test: output captured, waited for line by line, never left behind. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, existsSync } from 'node:fs';
import { finished } from 'node:stream/promises';

export type ProcessOptions = {
  /** Names the process in error messages. */
  readonly name: string;
  /** Receives all of its output, standard error included. */
  readonly logFile: string;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
};

export type ProcessEnd = { readonly status: number | null; readonly signal: NodeJS.Signals | null };

export class ProcessError extends Error {
  readonly code: 'PROCESS_ENDED' | 'PROCESS_SILENT';

  constructor(code: ProcessError['code'], message: string) {
    super(message);
    this.name = 'ProcessError';
    this.code = code;
  }
}

/** The kernel kills the child should this process die first, even by SIGKILL (util-linux). */
const SETPRIV = '/usr/bin/setpriv';

/** Starts `command`; resolves when it runs, throws when it cannot be started. */
export async function startProcess(
  command: string,
  args: readonly string[],
  options: ProcessOptions,
): Promise<RunningProcess> {
  const [file, ...rest] = existsSync(SETPRIV)
    ? [SETPRIV, '--pdeathsig', 'KILL', command, ...args]
    : [command, ...args];
  const child = spawn(file, rest, {
    cwd: options.cwd,
    env: options.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  await once(child, 'spawn');
  return new RunningProcess(child, options);
}

export class RunningProcess {
  readonly pid: number;
  /** Resolves, never rejects, when the process is gone and its output is in the log file. */
  readonly ended: Promise<ProcessEnd>;
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #listeners = new Set<() => void>();
  #output = '';
  #end: ProcessEnd | undefined;

  constructor(child: ChildProcess, options: ProcessOptions) {
    if (child.pid === undefined) throw new Error(`${options.name} has not been started`);
    this.pid = child.pid;
    this.#name = options.name;
    this.#child = child;
    const log = createWriteStream(options.logFile, { flags: 'a' });
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text;
        log.write(text);
        this.#notify();
      });
    }
    this.ended = once(child, 'close').then(async () => {
      this.#end = { status: child.exitCode, signal: child.signalCode };
      log.end();
      await finished(log).catch(() => undefined);
      this.#notify();
      return this.#end;
    });
  }

  /** Everything written to standard output and standard error so far. */
  get output(): string {
    return this.#output;
  }

  get hasEnded(): boolean {
    return this.#end !== undefined;
  }

  /**
   * The first match of `pattern` in the output, earlier output included. Throws PROCESS_ENDED when
   * the process ends without it, PROCESS_SILENT after `timeoutMs`.
   */
  async waitForLine(pattern: RegExp, { timeoutMs = 30_000 } = {}): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        this.#listeners.delete(look);
        act();
      };
      const fail = (code: ProcessError['code'], what: string): void =>
        settle(() => {
          const tail = this.#output.slice(-2_000);
          reject(new ProcessError(code, `${this.#name} ${what} ${String(pattern)}:\n${tail}`));
        });
      const look = (): void => {
        const match = pattern.exec(this.#output);
        if (match !== null) settle(() => resolve(match));
        else if (this.#end !== undefined) fail('PROCESS_ENDED', 'ended without writing');
      };
      const timer = setTimeout(
        () => fail('PROCESS_SILENT', `did not write within ${timeoutMs} ms`),
        timeoutMs,
      );
      this.#listeners.add(look);
      look();
    });
  }

  /** Sends a signal without waiting for its effect. */
  signal(signal: NodeJS.Signals): void {
    if (this.#end === undefined) this.#child.kill(signal);
  }

  /** Sends `signal` and waits until the process is gone. A stopped process can only be SIGKILLed. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<ProcessEnd> {
    this.signal(signal);
    return this.ended;
  }

  /** Ends the process whatever its state: SIGKILL. */
  async close(): Promise<void> {
    await this.kill('SIGKILL');
  }

  #notify(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
