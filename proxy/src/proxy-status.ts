import type { StatisticsSnapshot } from '@rowfs/nfs3';
import type { LowerStatus } from './lower/lower.ts';
import type { ShadowStatistics } from './shadow/shadow.ts';

/** A running proxy in numbers and names: fit for JSON. */
export interface ProxyStatus extends LowerStatus {
  readonly appliance: string | undefined;
  readonly version: string | undefined;
  /** Going on with the version and the shadow of the last run. */
  readonly resumed: boolean;
  /** ISO 8601: since when the list of servers is old, because the locator does not answer. */
  readonly staleSince: string | undefined;
  readonly notices: readonly string[];
  readonly startedAt: string;
  readonly address: ProxyAddress;
  readonly shadow: ShadowStatistics & { readonly name: string; readonly directory: string };
  /** Calls per procedure: of the clients, and of the redirect-on-write layer on the image. */
  readonly calls: { readonly up: StatisticsSnapshot; readonly down: StatisticsSnapshot };
}

export interface ProxyAddress {
  readonly host: string;
  readonly port: number;
  readonly mountPort: number;
}

/** What to type on Linux to mount the proxy's tree on `/mnt`. */
export function mountCommandOf({ host, port, mountPort }: ProxyAddress): string {
  const bracketed = host.includes(':') ? `[${host}]` : host;
  const options = `vers=3,tcp,nolock,hard,port=${port},mountport=${mountPort}`;
  return `mount -t nfs -o ${options} ${bracketed}:/ /mnt`;
}
