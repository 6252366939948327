/** System calls of a running process that fail, for real as far as it can tell: by strace. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { startProcess } from './process.ts';

export type SystemCallFault = {
  readonly pid: number;
  readonly calls: readonly string[];
  /** As errno has it. */
  readonly error: 'EIO' | 'ENOSPC' | 'EDQUOT' | 'EROFS';
  /** Only calls on these files fail. */
  readonly paths: readonly string[];
  /** In each thread only the call of this number since now, counted from 1. Default: all. */
  readonly only?: number;
  /** The test's own, for the log. */
  readonly directory: string;
};

/** Resolves when the calls fail; until the result is closed, or fails to be. */
export async function injectFault(fault: SystemCallFault): Promise<{ close(): Promise<void> }> {
  const { pid, calls, error, paths, only, directory } = fault;
  const injection = `inject=${calls.join(',')}:error=${error}`;
  const log = join(directory, `strace-${randomUUID()}.log`);
  const strace = await startProcess(
    'strace',
    [
      ...['-f', '-p', String(pid), '-o', log, '-e', `trace=${calls.join(',')}`],
      ...['-e', only === undefined ? injection : `${injection}:when=${only}`],
      ...paths.flatMap((path) => ['-P', path]),
    ],
    { name: 'strace', logFile: join(directory, 'strace.log') },
  );
  await strace.waitForLine(/ attached/);
  return {
    async close() {
      // It lets go of the process first.
      await strace.kill('SIGTERM');
    },
  };
}
