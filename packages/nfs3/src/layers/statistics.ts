import { createHistogram } from 'node:perf_hooks';
import { everyProcedure, type Procedures } from '../every-procedure.ts';
import { procedureNames, type ProcedureName } from '../procedures/table.ts';
import type { Nfs3Layer } from '../service.ts';
import { Nfsstat3, nfsstat3Name } from '../status.ts';

/** How long calls took, in microseconds, to two significant digits. */
export interface LatencySummary {
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** One procedure's calls since the layer was made. */
export interface ProcedureStatistics {
  /** Calls that were settled. */
  readonly calls: number;
  readonly inFlight: number;
  /**
   * Calls that were answered with a status that is not OK, by its name in the RFC. Those of MNT,
   * whose numbers are the same, go by the names of NFS.
   */
  readonly errors: Readonly<Record<string, number>>;
  /** Calls without an answer: the service rejected. */
  readonly rejected: number;
  /** Payload given to the service, by WRITE. */
  readonly bytesDown: number;
  /** Payload got from the service, by READ. */
  readonly bytesUp: number;
  readonly latency: LatencySummary;
}

export type StatisticsName = ProcedureName | 'null' | 'mount';
export type StatisticsSnapshot = Readonly<Record<StatisticsName, ProcedureStatistics>>;

export interface Statistics {
  /** Counts what passes; used in several stacks, it counts them together. */
  readonly layer: Nfs3Layer;
  readonly snapshot: () => StatisticsSnapshot;
}

const names: readonly StatisticsName[] = [...procedureNames, 'null', 'mount'];

/** Microseconds; a call that took longer counts as one of these. */
const LONGEST_CALL = 3_600_000_000;

/** Counts calls, errors, payload and latency of each procedure at one place of a stack. */
export function statistics(): Statistics {
  const counters = Object.fromEntries(names.map((name) => [name, new Counter()])) as Record<
    StatisticsName,
    Counter
  >;
  return {
    layer: (lower) => {
      const below: Procedures = lower;
      return {
        ...everyProcedure((procedure, args, ctx) => {
          const counter = counters[procedure];
          return counter.count(
            () => below[procedure](args, ctx),
            ({ status }) => counter.ended(status),
          );
        }),
        read: (args, ctx) =>
          counters.read.count(
            () => lower.read(args, ctx),
            (result) => {
              counters.read.ended(result.status);
              if (result.status === Nfsstat3.OK) counters.read.bytesUp += result.count;
            },
          ),
        write(args, ctx) {
          counters.write.bytesDown += args.count;
          return counters.write.count(
            () => lower.write(args, ctx),
            ({ status }) => counters.write.ended(status),
          );
        },
        null: (ctx) =>
          counters.null.count(
            () => lower.null(ctx),
            () => undefined,
          ),
        mount: (dirpath, ctx) =>
          counters.mount.count(
            () => lower.mount(dirpath, ctx),
            ({ status }) => counters.mount.ended(status),
          ),
      };
    },
    snapshot: () =>
      Object.fromEntries(
        names.map((name) => [name, counters[name].snapshot()]),
      ) as unknown as StatisticsSnapshot,
  };
}

/** A mutable counter of one procedure, with as little work per call as it can do. */
class Counter {
  bytesDown = 0;
  bytesUp = 0;
  #inFlight = 0;
  #rejected = 0;
  readonly #errors = new Map<number, number>();
  readonly #latency = createHistogram({ highest: LONGEST_CALL, figures: 2 });

  async count<Result>(
    call: () => Promise<Result>,
    observe: (result: Result) => void,
  ): Promise<Result> {
    const startedAt = performance.now();
    this.#inFlight += 1;
    try {
      const result = await call();
      observe(result);
      return result;
    } catch (error) {
      this.#rejected += 1;
      throw error;
    } finally {
      this.#inFlight -= 1;
      const took = Math.round((performance.now() - startedAt) * 1000);
      this.#latency.record(Math.min(Math.max(took, 1), LONGEST_CALL));
    }
  }

  ended(status: number): void {
    if (status !== Nfsstat3.OK) this.#errors.set(status, (this.#errors.get(status) ?? 0) + 1);
  }

  snapshot(): ProcedureStatistics {
    const latency = this.#latency;
    // The histogram answers with the end of a bucket, which may lie beyond the longest call.
    const percentile = (p: number): number =>
      latency.count === 0 ? 0 : Math.min(latency.percentile(p), latency.max);
    return {
      calls: latency.count,
      inFlight: this.#inFlight,
      errors: Object.fromEntries(
        [...this.#errors].map(([status, count]) => [nfsstat3Name(status), count]),
      ),
      rejected: this.#rejected,
      bytesDown: this.bytesDown,
      bytesUp: this.bytesUp,
      latency: {
        mean: latency.count === 0 ? 0 : latency.mean,
        p50: percentile(50),
        p90: percentile(90),
        p99: percentile(99),
        max: latency.count === 0 ? 0 : latency.max,
      },
    };
  }
}
