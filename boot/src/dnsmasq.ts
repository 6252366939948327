import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import { BootError } from './boot-error.ts';

export interface DnsmasqOptions {
  /** Where its configuration goes, and beside it its process id. */
  readonly configFile: string;
  readonly config: string;
  readonly logger: Logger;
}

/** A dnsmasq that is started again when it ends by itself. */
export interface Dnsmasq {
  close(): Promise<void>;
}

const RESTART_MS = 1_000;
const RESTART_AT_MOST_MS = 30_000;
const STARTED = /started, version/;

/** @throws BootError DNSMASQ_MISSING, DNSMASQ_FAILED when it does not start the first time */
export async function startDnsmasq(options: DnsmasqOptions): Promise<Dnsmasq> {
  const { configFile, config, logger } = options;
  await writeFile(configFile, config);
  let running = await startOnce(options);
  const closing = new AbortController();
  const { signal } = closing;
  const supervise = async (): Promise<void> => {
    for (let wait = RESTART_MS; ;) {
      await endOf(running);
      const isClosing = await pause(wait, false, { signal, ref: false }).catch(() => true);
      if (isClosing) return;
      logger.error('dnsmasq ended by itself: it is started again');
      try {
        running = await startOnce(options);
        wait = RESTART_MS;
      } catch (error) {
        logger.error({ err: error }, 'dnsmasq does not start');
        wait = Math.min(wait * 2, RESTART_AT_MOST_MS);
      }
    }
  };
  const supervised = supervise();
  return {
    async close() {
      closing.abort();
      running.kill('SIGTERM');
      await supervised;
      // One that was being started meanwhile.
      running.kill('SIGTERM');
      await endOf(running);
      await rm(pidFileOf(configFile), { force: true });
    },
  };
}

async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

const pidFileOf = (configFile: string): string => `${configFile}.pid`;

/** Ends one that was left behind when who supervised it was killed: it answers, and has the ports. */
export async function endLeftBehind(configFile: string): Promise<void> {
  const text = await readFile(pidFileOf(configFile), 'utf8').catch(() => '');
  const pid = Number(text.trim());
  if (!(pid > 1)) return;
  const commandLine = async (): Promise<string> =>
    readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  if (!(await commandLine()).includes(configFile)) return;
  process.kill(pid, 'SIGTERM');
  while ((await commandLine()).includes(configFile)) await pause(20);
}

async function startOnce({ configFile, logger }: DnsmasqOptions): Promise<ChildProcess> {
  const child = spawn(
    'dnsmasq',
    ['--keep-in-foreground', `--conf-file=${configFile}`, `--pid-file=${pidFileOf(configFile)}`],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const lines = createInterface({ input: child.stderr });
  let last = '';
  const started = new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => {
      logger.debug({ dnsmasq: line });
      if (line !== '') last = line;
      if (STARTED.test(line)) resolve();
    });
    child.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'ENOENT'
          ? new BootError('DNSMASQ_MISSING', 'dnsmasq is missing: apt install dnsmasq-base')
          : new BootError('DNSMASQ_FAILED', `dnsmasq: ${error.message}`, { cause: error }),
      ),
    );
    child.once('close', () =>
      reject(
        new BootError('DNSMASQ_FAILED', `dnsmasq does not start: ${last.replace('dnsmasq: ', '')}`),
      ),
    );
  });
  await started;
  return child;
}
