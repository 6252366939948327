import type { Clock, Timer } from '@rowfs/registry';

interface Alarm {
  readonly at: number;
  readonly order: number;
  action: (() => void) | undefined;
}

/**
 * Time that passes only when nothing is left to do at this instant: hours go by in seconds, and
 * events happen in the same order in each run. A heap of alarms, for hundreds of thousands of them.
 */
export class VirtualClock implements Clock {
  #now = Date.UTC(2026, 0, 1);
  #order = 0;
  readonly #heap: Alarm[] = [];

  now(): number {
    return Math.floor(this.#now);
  }

  after(ms: number, action: () => void): Timer {
    this.#order += 1;
    const alarm: Alarm = { at: this.#now + Math.max(0, ms), order: this.#order, action };
    this.#push(alarm);
    return {
      cancel() {
        alarm.action = undefined;
      },
    };
  }

  /** Lets `ms` pass, with everything that happens in that time. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    while ((this.#heap[0]?.at ?? Infinity) <= end) await this.#ringNext();
    this.#now = end;
  }

  /** Lets time pass until `work` is done. */
  async until<T>(work: Promise<T>): Promise<T> {
    const state = { done: false };
    const finished = work.finally(() => {
      state.done = true;
    });
    // Its failure is the caller's to see, below; not an unhandled rejection before that.
    finished.catch(() => undefined);
    await settle();
    while (!state.done) {
      if (this.#heap.length === 0) throw new Error('waiting for what no timer will bring');
      await this.#ringNext();
    }
    return finished;
  }

  async #ringNext(): Promise<void> {
    const alarm = this.#pop();
    if (alarm?.action === undefined) return;
    this.#now = alarm.at;
    alarm.action();
    await settle();
  }

  #push(alarm: Alarm): void {
    const heap = this.#heap;
    let at = heap.push(alarm) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || isBefore(above, alarm)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = alarm;
  }

  #pop(): Alarm | undefined {
    const heap = this.#heap;
    const [first] = heap;
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      const left = heap[2 * at + 1];
      const right = heap[2 * at + 2];
      if (left === undefined) break;
      const takesRight = right !== undefined && isBefore(right, left);
      const child = takesRight ? right : left;
      if (isBefore(last, child)) break;
      heap[at] = child;
      at = 2 * at + (takesRight ? 2 : 1);
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Alarm, b: Alarm): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

const FILE_OPERATIONS = new Set(['FSReqPromise', 'FSReqCallback', 'CloseReq']);

/** Lets all promise reactions run, and the file operations end that they started: those take no time. */
async function settle(): Promise<void> {
  do await new Promise((resolve) => setImmediate(resolve));
  while (process.getActiveResourcesInfo().some((name) => FILE_OPERATIONS.has(name)));
}
