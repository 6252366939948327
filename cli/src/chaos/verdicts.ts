import type { ChaosEvent, ChaosEventOf } from './history.ts';

/** Whether something that rowfs promises held in a run. */
export interface Verdict {
  readonly promise: string;
  readonly held: boolean;
  /** How often it was put to the test. */
  readonly checked: number;
  /** What broke it, a line each; or, when it was never put to the test, why that says nothing. */
  readonly broken: readonly string[];
}

export interface Terms {
  readonly leaseSeconds: number;
  /** How often the end of a lease was looked for. */
  readonly pollSeconds: number;
}

/** Judges a history: each promise with what speaks against it. A promise that was never tested did not hold. */
export function judge(events: readonly ChaosEvent[], terms: Terms): readonly Verdict[] {
  return [
    verdict('a client reads the bytes of its version, whatever happens', readsOf(events)),
    verdict('no observer sees the newest version go back', neverBack(events)),
    verdict('a version whose publish was acknowledged is found by all afterwards', found(events)),
    verdict('gc lets no version go that is in use', keptInUse(events, terms)),
    verdict('every machine that runs a version is counted', counted(events)),
    verdict('the lease of a machine that dies ends within one TTL', leaseEnds(events, terms)),
  ];
}

interface Finding {
  readonly checked: number;
  readonly broken: readonly string[];
}

function verdict(promise: string, { checked, broken }: Finding): Verdict {
  const untested = checked === 0 ? ['it was never put to the test: try a longer run'] : [];
  const lines = [...broken, ...untested];
  return { promise, held: lines.length === 0, checked, broken: lines };
}

function eventsOf<K extends ChaosEvent['kind']>(
  events: readonly ChaosEvent[],
  kind: K,
): ChaosEventOf<K>[] {
  return events.filter((event): event is ChaosEventOf<K> => event.kind === kind);
}

const time = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

function readsOf(events: readonly ChaosEvent[]): Finding {
  const reads = eventsOf(events, 'read');
  const broken = reads.flatMap(({ at, proxy, version, path, wrong }) =>
    wrong === undefined ? [] : [`${time(at)}: ${proxy} reads ${path} of ${version}: ${wrong}`],
  );
  return { checked: reads.length, broken };
}

function neverBack(events: readonly ChaosEvent[]): Finding {
  const broken: string[] = [];
  const newest = new Map<string, ChaosEventOf<'resolved'>>();
  const resolved = eventsOf(events, 'resolved');
  for (const event of resolved) {
    const before = newest.get(event.observer);
    if (before !== undefined && event.seq < before.seq) {
      broken.push(
        `${time(event.at)}: ${event.observer} is told ${event.version} (seq ${event.seq}), and was told ${before.version} (seq ${before.seq}) at ${time(before.at)}`,
      );
    } else newest.set(event.observer, event);
  }
  return { checked: resolved.length, broken };
}

/** Once all is calm; a publish that failed may have been taken nevertheless, so a newer one is fine. */
function found(events: readonly ChaosEvent[]): Finding {
  const calm = eventsOf(events, 'calm').at(-1)?.at ?? Number.POSITIVE_INFINITY;
  const acknowledged = eventsOf(events, 'published').filter(({ at }) => at <= calm);
  const newest = acknowledged.reduce<ChaosEventOf<'published'> | undefined>(
    (best, each) => (best === undefined || each.seq > best.seq ? each : best),
    undefined,
  );
  const after = eventsOf(events, 'resolved').filter(({ at }) => at > calm);
  const unable = eventsOf(events, 'not-resolved').filter(({ at }) => at > calm);
  if (newest === undefined) return { checked: 0, broken: [] };
  const broken = [
    ...after
      .filter(({ seq, isStale }) => seq < newest.seq || isStale)
      .map(
        ({ at, observer, version, seq, isStale }) =>
          `${time(at)}: ${observer} finds ${version} (seq ${seq}${isStale ? ', stale' : ''}), not ${newest.version} (seq ${newest.seq}) of ${time(newest.at)}`,
      ),
    ...unable.map(
      ({ at, observer, reason }) => `${time(at)}: ${observer} finds nothing: ${reason}`,
    ),
  ];
  return { checked: after.length + unable.length, broken };
}

interface Use {
  readonly proxy: string;
  readonly version: string;
  readonly from: number;
  readonly to: number;
}

/**
 * When which version was in use. A proxy that is killed and comes back with the same version used it all
 * the time: its lease outlived it.
 */
function usesOf(events: readonly ChaosEvent[], { leaseSeconds }: Terms): Use[] {
  const uses: Use[] = [];
  const running = new Map<string, Use>();
  const killed = new Map<string, Use>();
  for (const event of events) {
    if (event.kind === 'mounted') {
      const { proxy, version, at } = event;
      const before = killed.get(proxy);
      killed.delete(proxy);
      const isSame = before?.version === version && at - before.to < (leaseSeconds * 1000) / 2;
      if (before !== undefined && !isSame) uses.push(before);
      const from = isSame ? before.from : at;
      running.set(proxy, { proxy, version, from, to: Number.POSITIVE_INFINITY });
    } else if (event.kind === 'unmounted') {
      const use = running.get(event.proxy);
      running.delete(event.proxy);
      if (use === undefined) continue;
      const ended = { ...use, to: event.at };
      if (event.how === 'killed') killed.set(event.proxy, ended);
      else uses.push(ended);
    }
  }
  return [...uses, ...killed.values(), ...running.values()];
}

/** What counts is a lease that is older than one refresh, when gc says that the version is gone. */
function keptInUse(events: readonly ChaosEvent[], terms: Terms): Finding {
  const uses = usesOf(events, terms);
  const refreshMs = (terms.leaseSeconds * 1000) / 2;
  const collected = eventsOf(events, 'collected');
  const broken = collected.flatMap(({ at, since, versions }) =>
    uses
      .filter(({ version }) => versions.includes(version))
      .filter(({ from, to }) => from <= at - refreshMs && at <= to)
      .map(
        ({ proxy, version, from }) =>
          `${time(at)}: gc, begun at ${time(since)}, lets ${version} go, which ${proxy} runs since ${time(from)}`,
      ),
  );
  return { checked: collected.length, broken };
}

function counted(events: readonly ChaosEvent[]): Finding {
  const counts = eventsOf(events, 'counted');
  const broken = counts.flatMap(({ at, version, count, isComplete, running }) => {
    if (isComplete && count >= running) return [];
    const doubt = isComplete ? '' : ', and is not sure of it';
    return [`${time(at)}: ${running} run ${version}, the registry counts ${count}${doubt}`];
  });
  return { checked: counts.length, broken };
}

function leaseEnds(events: readonly ChaosEvent[], { leaseSeconds, pollSeconds }: Terms): Finding {
  const ended = eventsOf(events, 'lease-ended');
  const stays = eventsOf(events, 'lease-stays');
  const limit = (leaseSeconds + pollSeconds) * 1000;
  const broken = [
    ...ended
      .filter(({ afterMs }) => afterMs > limit)
      .map(
        ({ proxy, afterMs }) => `the lease of ${proxy} ended ${time(afterMs)} after its process`,
      ),
    ...stays.map(({ proxy, afterMs }) => `the lease of ${proxy} is there ${time(afterMs)} later`),
  ];
  return { checked: ended.length + stays.length, broken };
}
