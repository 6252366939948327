import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { NetworkNamespace } from './network-namespace.ts';
import { type RunningProcess, startProcess } from './process.ts';
import type { Relay, RelayOptions } from './relay.ts';

/** What crossed a relay. */
export type Crossed = Pick<Relay, 'records' | 'bytes' | 'calls'>;

export type RelayInNetwork = {
  readonly ports: readonly number[];
  crossed(): Promise<Crossed>;
  close(): Promise<void>;
};

/** Starts a relay in a network that the test is not in. */
export async function relayInNetwork(
  { enter: [command, ...before] }: Pick<NetworkNamespace, 'enter'>,
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
    crossed: () => crossedThrough(relay),
    close: () => relay.close(),
  };
}

/** Asks a process that has a relay for what crossed it. */
export async function crossedThrough(process: RunningProcess): Promise<Crossed> {
  const seen = process.output.length;
  process.signal('SIGUSR2');
  for (;;) {
    const line = /^\{.*\}$/m.exec(process.output.slice(seen))?.[0];
    if (line !== undefined) return JSON.parse(line) as Crossed;
    await pause(10);
  }
}
