import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { DisklessNetwork } from './diskless-network.ts';
import { type RunningProcess, startProcess } from './process.ts';
import type { RelayOptions } from './relay.ts';

export type RelayInNetwork = {
  readonly ports: readonly number[];
  /** RPC records that crossed it. */
  records(): Promise<{ readonly toServer: number; readonly toClient: number }>;
  close(): Promise<void>;
};

/** Starts a relay in a network that the test is not in. */
export async function relayInNetwork(
  { enter: [command, ...before] }: DisklessNetwork,
  directory: string,
  options: RelayOptions,
): Promise<RelayInNetwork> {
  const program = join(import.meta.dirname, 'relay-process.ts');
  const relay = await startProcess(
    command,
    [...before, process.execPath, program, JSON.stringify(options)],
    { name: 'relay', logFile: join(directory, 'relay.log') },
  );
  const [line] = await relay.waitForLine(/^\[.*\]$/m);
  return {
    ports: JSON.parse(line) as number[],
    records: () => recordsOf(relay),
    close: () => relay.close(),
  };
}

/** Asks a process that has a relay for what crossed it. */
export async function recordsOf(
  process: RunningProcess,
): Promise<{ readonly toServer: number; readonly toClient: number }> {
  const seen = process.output.length;
  process.signal('SIGUSR2');
  for (;;) {
    const line = /^\{.*\}$/m.exec(process.output.slice(seen))?.[0];
    if (line !== undefined) return JSON.parse(line) as { toServer: number; toClient: number };
    await pause(10);
  }
}
