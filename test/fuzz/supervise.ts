import { Worker } from 'node:worker_threads';
import type { FuzzResult } from './fuzzer.ts';
import { Progress } from './progress.ts';
import type { Task } from './worker.ts';

/** Of a processor: an input of 64 KiB takes milliseconds of it on any machine, however busy that is. */
const HANG_PROCESSOR_MS = 10_000;
/** For what waits and does nothing. */
const SILENCE_MS = 120_000;
const MAX_HEAP_MIB = 512;
/** Heap and buffers of the process together, the fuzzer's own included. */
const MAX_RSS_BYTES = 1536 * 1024 * 1024;
const WATCH_EVERY_MS = 500;

/**
 * Fuzzes in a thread of its own and watches over it. A hang, memory without bound, or the end of
 * the thread is a finding like any other, with the input at which it happened.
 */
export function supervise(task: Omit<Task, 'memory'>): Promise<FuzzResult> {
  const progress = new Progress();
  const worker = new Worker(new URL('worker.ts', import.meta.url), {
    workerData: { ...task, memory: progress.memory } satisfies Task,
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MIB },
  });
  return new Promise((resolve) => {
    let begun = -1;
    let movedAt = now();
    let settled = false;
    const settle = (result: FuzzResult): void => {
      // The thread's end, which is asked for here, is told as well.
      if (settled) return;
      settled = true;
      clearInterval(watch);
      void worker.terminate().then(() => resolve(result));
    };
    const endWith = (what: string): void => {
      const findings = [{ what, input: progress.input }];
      settle({ executions: progress.begun, corpus: 0, findings });
    };
    const watch = setInterval(() => {
      if (progress.begun !== begun) {
        begun = progress.begun;
        movedAt = now();
      }
      const { processorMs, ms } = now();
      if (processorMs - movedAt.processorMs > HANG_PROCESSOR_MS)
        endWith(`hang: no end after ${HANG_PROCESSOR_MS} ms of a processor`);
      if (ms - movedAt.ms > SILENCE_MS) endWith(`hang: no end after ${SILENCE_MS} ms`);
      if (process.memoryUsage.rss() > MAX_RSS_BYTES) endWith('memory: more than 1.5 GiB are held');
    }, WATCH_EVERY_MS);
    worker.once('message', settle);
    worker.once('error', (error) => endWith(`crash: ${String(error)}`));
    worker.once('exit', (status) => endWith(`crash: the thread ended with status ${status}`));
  });
}

function now(): { readonly ms: number; readonly processorMs: number } {
  const { user, system } = process.cpuUsage();
  return { ms: performance.now(), processorMs: (user + system) / 1000 };
}
