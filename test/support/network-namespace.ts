/**
 * A network of a test's own, in which it is root: only a loopback, and all ports free, so that a
 * portmapper can be where clients look for one.
 */
import { join } from 'node:path';
import { startProcess } from './process.ts';

export type NetworkNamespace = {
  /** A process in it: what other namespaces call it. */
  readonly pid: number;
  /** What goes before a command, and before its arguments, to run it in there. */
  readonly enter: readonly [command: string, ...args: string[]];
  /** Ends with the last process in it. */
  close(): Promise<void>;
};

/**
 * @param users `one`: whoever runs the test is root in there, and nobody else exists, which needs no
 *   privileges where users may have namespaces. `all`: those of the machine, which takes root.
 */
export async function networkNamespace(
  directory: string,
  users: 'one' | 'all' = 'one',
): Promise<NetworkNamespace> {
  const holder = await startProcess(
    'unshare',
    [
      ...(users === 'one' ? ['--user', '--map-root-user'] : []),
      ...['--net', '--'],
      ...['sh', '-c', 'ip link set lo up && echo up && exec sleep infinity'],
    ],
    { name: 'network namespace', logFile: join(directory, 'network-namespace.log') },
  );
  await holder.waitForLine(/^up$/m);
  return {
    pid: holder.pid,
    enter: [
      ...(['nsenter', '--net'] as const),
      ...(users === 'one' ? ['--user', '--preserve-credentials'] : []),
      ...['--target', String(holder.pid), '--'],
      // Entering made the kernel forget that the process is to die with its parent.
      ...['setpriv', '--pdeathsig', 'KILL'],
    ],
    close: () => holder.close(),
  };
}
