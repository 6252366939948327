/**
 * A network of a test's own, in which it is root: only a loopback, and all ports free, so that a
 * portmapper can be where clients look for one. Needs no privileges where users may have namespaces.
 */
import { join } from 'node:path';
import { startProcess } from './process.ts';

export type NetworkNamespace = {
  /** What goes before a command, and before its arguments, to run it in there. */
  readonly enter: readonly [command: string, ...args: string[]];
  /** Ends with the last process in it. */
  close(): Promise<void>;
};

export async function networkNamespace(directory: string): Promise<NetworkNamespace> {
  const holder = await startProcess(
    'unshare',
    [
      ...['--user', '--map-root-user', '--net', '--'],
      ...['sh', '-c', 'ip link set lo up && echo up && exec sleep infinity'],
    ],
    { name: 'network namespace', logFile: join(directory, 'network-namespace.log') },
  );
  await holder.waitForLine(/^up$/m);
  return {
    enter: [
      ...(['nsenter', '--user', '--net', '--preserve-credentials'] as const),
      ...['--target', String(holder.pid), '--'],
      // Entering made the kernel forget that the process is to die with its parent.
      ...['setpriv', '--pdeathsig', 'KILL'],
    ],
    close: () => holder.close(),
  };
}
