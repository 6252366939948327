/** The `rowfs` command as a user runs it: its own process, its own state directory, JSON answers. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { type RunningProcess, startProcess } from './process.ts';

const main = fileURLToPath(new URL('../../cli/src/main.ts', import.meta.url));

export type RowfsOptions = {
  /** The test's own directory; state and logs go below it. */
  readonly directory: string;
  /** Tells the users and machines of one test apart: each has its own state. */
  readonly owner: string;
  /** Multiaddrs of registry nodes. */
  readonly registry?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** What goes before the command, as to run it in another namespace. */
  readonly enter?: readonly string[];
  /** How long a command that ends by itself may take. Default one minute. */
  readonly timeoutMs?: number;
};

/** How a command that ends by itself ended. */
export type RowfsEnd = {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
};

export function stateOf({ directory, owner }: RowfsOptions): string {
  return join(directory, `state-${owner}`);
}

function commonArguments(options: RowfsOptions): string[] {
  const { registry = [] } = options;
  return [
    '--state',
    stateOf(options),
    '--cache',
    join(stateOf(options), 'cache'),
    '--config',
    '/dev/null',
    // A port that nothing listens on, so that no node of this machine's user is asked.
    '--registry',
    ...(registry.length > 0 ? registry : ['/ip4/127.0.0.1/tcp/1']),
  ];
}

/** Runs a command to its end. */
export async function runRowfs(args: readonly string[], options: RowfsOptions): Promise<RowfsEnd> {
  const [command, ...before] = [...(options.enter ?? []), process.execPath];
  const result = await execa(
    command,
    [...before, main, ...args, ...(args.includes('--config') ? [] : commonArguments(options))],
    { reject: false, timeout: options.timeoutMs ?? 60_000, env: options.env ?? {} },
  );
  return { status: result.exitCode ?? -1, stdout: result.stdout, stderr: result.stderr };
}

/** Runs a command that must succeed, and parses what it prints under --json. */
export async function askRowfs<Answer>(
  args: readonly string[],
  options: RowfsOptions,
): Promise<Answer> {
  const { status, stdout, stderr } = await runRowfs([...args, '--json'], options);
  if (status !== 0) throw new Error(`rowfs ${args.join(' ')} ended with ${status}: ${stderr}`);
  return JSON.parse(stdout) as Answer;
}

/** A `rowfs` command that goes on running. */
export type RowfsDaemon<Ready> = {
  /** What it printed when it was ready. */
  readonly ready: Ready;
  readonly process: RunningProcess;
  /** As Ctrl-C: it ends cleanly. */
  stop(): Promise<void>;
  /** kill -9. */
  close(): Promise<void>;
};

/** Starts a command that goes on running, and waits until it says that it is ready. */
export async function startRowfs<Ready>(
  args: readonly string[],
  options: RowfsOptions,
): Promise<RowfsDaemon<Ready>> {
  const name = `rowfs-${args[0] ?? ''}-${options.owner}`;
  const [command, ...before] = [...(options.enter ?? []), process.execPath];
  const child = await startProcess(
    command,
    [...before, main, ...args, '--json', ...commonArguments(options)],
    { name, logFile: join(options.directory, `${name}.log`) },
  );
  const [line] = await child.waitForLine(/^\{(?!"level"|"error").*\}$/m);
  return {
    ready: JSON.parse(line) as Ready,
    process: child,
    async stop() {
      const { status, signal } = await child.kill('SIGTERM');
      if (status !== 0)
        throw new Error(`${name} ended with ${status ?? signal ?? '?'}: ${child.output}`);
    },
    close: () => child.close(),
  };
}

/** What `rowfs proxy --json` says when it is ready. */
export type ReadyProxy = {
  readonly appliance: string | null;
  readonly version: string | null;
  readonly host: string;
  readonly port: number;
  readonly mountPort: number;
  readonly mountCommand: string;
  readonly rest: string;
};
