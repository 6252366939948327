import type { Nfstime3 } from '@rowfs/nfs3';

const NANOSECONDS = 1_000_000_000;

/** Sorts times: negative when `a` is before `b`. */
export function compareTimes(a: Nfstime3, b: Nfstime3): number {
  return a.seconds - b.seconds || a.nseconds - b.nseconds;
}

export function laterOf(a: Nfstime3, b: Nfstime3): Nfstime3 {
  return compareTimes(a, b) >= 0 ? a : b;
}

/** The first instant that nfstime3 can tell from `time`. */
export function justAfter({ seconds, nseconds }: Nfstime3): Nfstime3 {
  return nseconds + 1 < NANOSECONDS
    ? { seconds, nseconds: nseconds + 1 }
    : { seconds: seconds + 1, nseconds: 0 };
}

/**
 * This machine's clock, made strictly increasing: a client compares ctimes to see whether anything
 * changed, so two changes must never share one, and a clock set back must not hide a change.
 */
export class Clock {
  #last: Nfstime3 = { seconds: 0, nseconds: 0 };

  /** Now, but after every time told before and after `previous`, an object's own last ctime. */
  stamp(previous: Nfstime3): Nfstime3 {
    const milliseconds = performance.timeOrigin + performance.now();
    const seconds = Math.floor(milliseconds / 1000);
    const nseconds = Math.floor((milliseconds - seconds * 1000) * 1000) * 1000;
    const now = laterOf({ seconds, nseconds }, justAfter(this.#last));
    this.#last = now;
    return laterOf(now, justAfter(previous));
  }
}
