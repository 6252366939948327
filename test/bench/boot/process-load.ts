/** What a process takes of the machine while something goes on. */
import { readFile } from 'node:fs/promises';
import { residentMemory } from '../resident-memory.ts';

export interface ProcessLoad {
  readonly seconds: number;
  /** Of one processor, 0 to 1, from begin to end. */
  readonly processor: number;
  /** The same of the busiest {@link WINDOW_SECONDS}. */
  readonly busiestProcessor: number;
  /** The most that was resident at any sample. */
  readonly residentBytes: number;
}

/** As the monitor of the ROW-FS paper sampled (section 4.2, figure 4). */
const WINDOW_SECONDS = 20;
const SAMPLE_MS = 1000;
/** Of what the kernel counts processor time in, in all its builds (sysconf(3), _SC_CLK_TCK). */
const TICKS_PER_SECOND = 100;

interface Sample {
  readonly at: number;
  readonly processorSeconds: number;
}

/** Watches a process while `during` goes on. */
export async function watchProcess<Result>(
  pid: number,
  during: () => Promise<Result>,
): Promise<{ readonly result: Result; readonly load: ProcessLoad }> {
  const samples: Sample[] = [];
  let residentBytes = 0;
  const sample = async (): Promise<void> => {
    samples.push({ at: performance.now() / 1000, processorSeconds: await processorSeconds(pid) });
    residentBytes = Math.max(residentBytes, (await residentMemory(pid)).now);
  };
  await sample();
  let failure: unknown;
  const timer = setInterval(
    () => void sample().catch((error: unknown) => (failure = error)),
    SAMPLE_MS,
  );
  const result = await during().finally(() => clearInterval(timer));
  await sample();
  if (failure !== undefined) throw new Error('a sample failed', { cause: failure });
  return { result, load: loadOf(samples, residentBytes) };
}

function loadOf(samples: readonly Sample[], residentBytes: number): ProcessLoad {
  const shares = samples.flatMap((from) => {
    const to = samples.find(({ at }) => at - from.at >= WINDOW_SECONDS);
    return to === undefined ? [] : [shareOf(from, to)];
  });
  const [first, last] = [samples.at(0), samples.at(-1)];
  if (first === undefined || last === undefined) throw new Error('no samples');
  const processor = shareOf(first, last);
  return {
    seconds: last.at - first.at,
    processor,
    busiestProcessor: Math.max(processor, ...shares),
    residentBytes,
  };
}

const shareOf = (from: Sample, to: Sample): number =>
  (to.processorSeconds - from.processorSeconds) / (to.at - from.at);

/** In user and in kernel mode: fields 14 and 15 of proc(5), /proc/pid/stat. */
async function processorSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The name, which may hold anything, is in parentheses; the third field is the first after them.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
