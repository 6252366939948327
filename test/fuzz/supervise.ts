import { Worker } from 'node:worker_threads';
import type { FuzzResult } from './fuzzer.ts';
import { Progress } from './progress.ts';
import type { Task } from './worker.ts';

/** An input of 64 KiB is parsed in milliseconds, on any machine: this is no matter of speed. */
const HANG_MS = 10_000;
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
    let movedAt = performance.now();
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
        movedAt = performance.now();
      }
      if (performance.now() - movedAt > HANG_MS) endWith(`hang: no end after ${HANG_MS} ms`);
      if (process.memoryUsage.rss() > MAX_RSS_BYTES) endWith('memory: more than 1.5 GiB are held');
    }, WATCH_EVERY_MS);
    worker.once('message', settle);
    worker.once('error', (error) => endWith(`crash: ${String(error)}`));
    worker.once('exit', (status) => endWith(`crash: the thread ended with status ${status}`));
  });
}
