import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
/** A `rowfs` command that goes on running, and where its REST is. */
export interface Daemon {
  readonly command: string;
  readonly pid: number;
  readonly rest: string;
}

const directoryOf = (state: string): string => join(state, 'run');

/** Notes that this process runs; the returned function takes the note away. */
export async function noteDaemon(
  state: string,
  command: string,
  rest: string,
): Promise<() => Promise<void>> {
  const daemon: Daemon = { command, pid: process.pid, rest };
  const file = join(directoryOf(state), `${command}-${process.pid}.json`);
  await mkdir(directoryOf(state), { recursive: true });
  await writeFile(file, JSON.stringify(daemon));
  return () => rm(file, { force: true });
}

/** The commands that run on this state directory; notes of those that died are removed. */
export async function runningDaemons(state: string): Promise<Daemon[]> {
  const { z } = await import('zod');
  const schema = z.object({
    command: z.string(),
    pid: z.int(),
    rest: z.url(),
  });
  const names = await readdir(directoryOf(state)).catch(() => []);
  const running: Daemon[] = [];
  for (const name of names.sort()) {
    const file = join(directoryOf(state), name);
    const daemon = await readFile(file, 'utf8').then(
      (text) => schema.safeParse(JSON.parse(text)).data,
      () => undefined,
    );
    if (daemon !== undefined && isAlive(daemon.pid)) running.push(daemon);
    else await rm(file, { force: true });
  }
  return running;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's process is alive all the same.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
