import type { Clock, Timer } from '../clock.ts';

interface Alarm {
  readonly at: number;
  readonly order: number;
  readonly action: () => void;
}

/** A clock that only moves when told to: hours pass in milliseconds, the same way each time. */
export class VirtualClock implements Clock {
  #now: number;
  #order = 0;
  readonly #alarms = new Set<Alarm>();

  constructor(start = Date.UTC(2026, 0, 1)) {
    this.#now = start;
  }

  now(): number {
    return Math.floor(this.#now);
  }

  after(ms: number, action: () => void): Timer {
    this.#order += 1;
    const alarm = { at: this.#now + Math.max(0, ms), order: this.#order, action };
    this.#alarms.add(alarm);
    return { cancel: () => this.#alarms.delete(alarm) };
  }

  /** Lets `ms` pass, with everything that happens in that time. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (let next = this.#next(); next !== undefined && next.at <= end; next = this.#next()) {
      this.#ring(next);
      await settle();
    }
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
      const next = this.#next();
      if (next === undefined) throw new Error('waiting for something that no timer will bring');
      this.#ring(next);
      await settle();
    }
    return finished;
  }

  #next(): Alarm | undefined {
    let first: Alarm | undefined;
    for (const alarm of this.#alarms) {
      if (first === undefined || alarm.at < first.at) first = alarm;
      else if (alarm.at === first.at && alarm.order < first.order) first = alarm;
    }
    return first;
  }

  #ring(alarm: Alarm): void {
    this.#alarms.delete(alarm);
    this.#now = Math.max(this.#now, alarm.at);
    alarm.action();
  }
}

/** Runs all promise reactions that can run now. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
