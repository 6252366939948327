import { Session, type Profiler } from 'node:inspector';

const repository = new URL('../../', import.meta.url);
/** Only the project's own sources: what dependencies do with an input says nothing about ours. */
const ours = ['packages/', 'registry/src/', 'proxy/src/', 'cli/src/'].map(
  (room) => new URL(room, repository).href,
);

/**
 * Which code of the project has run, from V8's own counters (the Profiler domain of the inspector)
 * in this thread. Collecting costs milliseconds, so it is asked after a batch of inputs; only when
 * a batch reached something new are its inputs asked about one by one.
 */
export class Coverage {
  readonly #session = new Session();
  /** Per function, which of its characters have run. */
  readonly #covered = new Map<string, Uint8Array>();

  constructor() {
    this.#session.connect();
    this.#post('Profiler.enable');
    this.#post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Takes what ran since the last call; with `keep`, it is no news from then on. */
  take({ keep }: { readonly keep: boolean }): { readonly isNew: boolean } {
    const { result } = this.#post('Profiler.takePreciseCoverage');
    let isNew = false;
    for (const { url, functions } of result) {
      if (!ours.some((prefix) => url.startsWith(prefix)) || url.endsWith('.test.ts')) continue;
      for (const each of functions) isNew = this.#look(url, each, keep) || isNew;
    }
    return { isNew };
  }

  close(): void {
    this.#session.disconnect();
  }

  #look(url: string, { ranges }: Profiler.FunctionCoverage, keep: boolean): boolean {
    const [whole] = ranges;
    if (whole === undefined || whole.count === 0) return false;
    const length = whole.endOffset - whole.startOffset;
    const now = new Uint8Array(length);
    // Inner ranges follow the ones they lie in, and know better.
    for (const { startOffset, endOffset, count } of ranges) {
      const start = startOffset - whole.startOffset;
      now.fill(count > 0 ? 1 : 0, start, endOffset - whole.startOffset);
    }
    const key = `${url}:${whole.startOffset}`;
    const before = this.#covered.get(key) ?? new Uint8Array(length);
    let isNew = false;
    for (let at = 0; at < length; at += 1) {
      if (now[at] === 0 || before[at] === 1) continue;
      isNew = true;
      if (!keep) return true;
      before[at] = 1;
    }
    if (keep) this.#covered.set(key, before);
    return isNew;
  }

  #post(method: 'Profiler.enable'): undefined;
  #post(
    method: 'Profiler.startPreciseCoverage',
    parameters: Profiler.StartPreciseCoverageParameterType,
  ): undefined;
  #post(method: 'Profiler.takePreciseCoverage'): Profiler.TakePreciseCoverageReturnType;
  /** In the thread's own session the answer comes before post() returns. */
  #post(method: string, parameters: object = {}): unknown {
    const answers: unknown[] = [];
    this.#session.post(method, parameters, (error, result) => {
      if (error !== null) throw error;
      answers.push(result);
    });
    return answers[0];
  }
}
