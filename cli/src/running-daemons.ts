import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { processStart } from '@rowfs/lock-file';

/** A `rowfs` command that goes on running, and where its REST is. */
export interface Daemon {
  readonly command: string;
  readonly pid: number;
  readonly rest: string;
}

const directoryOf = (state: string): string => join(state, 'run');
const NOTE = /\.json$/;

/** Notes that this process runs; the returned function takes the note away. */
export async function noteDaemon(
  state: string,
  command: string,
  rest: string,
): Promise<() => Promise<void>> {
  const { pid } = process;
  const file = join(directoryOf(state), `${command}-${pid}.json`);
  const aside = `${file}.${randomUUID()}`;
  await mkdir(directoryOf(state), { recursive: true });
  // Whole from the beginning: who finds a half of it takes it for what a crash left, and removes it.
  await writeFile(aside, JSON.stringify({ command, pid, rest, begun: processStart(pid) }));
  await rename(aside, file);
  return () => rm(file, { force: true });
}

/** The commands that run on this state directory; notes of those that died are removed. */
export async function runningDaemons(state: string): Promise<Daemon[]> {
  const { z } = await import('zod');
  const schema = z.object({
    command: z.string(),
    pid: z.int(),
    rest: z.url(),
    begun: z.string().optional(),
  });
  const names = await readdir(directoryOf(state)).catch(() => []);
  const running: Daemon[] = [];
  for (const name of names.filter((each) => NOTE.test(each)).sort()) {
    const file = join(directoryOf(state), name);
    const daemon = await readFile(file, 'utf8').then(
      (text) => schema.safeParse(JSON.parse(text)).data,
      () => undefined,
    );
    if (daemon !== undefined && isRunning(daemon.pid, daemon.begun)) {
      const { command, pid, rest } = daemon;
      running.push({ command, pid, rest });
    } else await rm(file, { force: true });
  }
  return running;
}

/** @param begun as `processStart` told; another process may have the number by now. */
function isRunning(pid: number, begun: string | undefined): boolean {
  const now = processStart(pid);
  if (now === undefined) return false;
  return now === '' || [undefined, '', now].includes(begun);
}
