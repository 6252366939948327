import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

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
  await writeFile(aside, JSON.stringify({ command, pid, rest, begun: await beginningOf(pid) }));
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
    if (daemon !== undefined && (await isRunning(daemon.pid, daemon.begun))) {
      const { command, pid, rest } = daemon;
      running.push({ command, pid, rest });
    } else await rm(file, { force: true });
  }
  return running;
}

/** @param begun as `beginningOf` told; another process may have the number by now. */
async function isRunning(pid: number, begun: string | undefined): Promise<boolean> {
  if (!isAlive(pid)) return false;
  const now = await beginningOf(pid);
  return begun === undefined || now === undefined || now === begun;
}

/**
 * When a process began, in clock ticks (proc(5), field 22), and since which start of the machine; undefined
 * where nobody tells.
 */
async function beginningOf(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
    // The name of the program is in brackets, and may have anything in it.
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'latin1');
    return `${ticks} since ${boot.trim()}`;
  } catch {
    return undefined;
  }
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
