import { sleep } from '../clock.ts';
import type { RegistryNode } from '../node.ts';
import { formatServerAddress } from '../records/server-address.ts';
import { isEndorsed, type SignedServerEntry } from '../records/server-entry.ts';
import type { VersionRef } from '../sharer-lease.ts';

/** How often servers are asked after while somebody waits for them. */
const ASK_AGAIN_MS = 2000;

/** What became of the data of one version on the servers that announced it. */
export interface VersionData {
  /** Servers that deleted it, each with the bytes of its disk that are free again. */
  readonly deleted: readonly { readonly server: string; readonly freedBytes: number }[];
  /** Servers that run `rowfs serve` and announce it still. */
  readonly serving: readonly string[];
}

/**
 * What the servers of a version say about its data, waiting up to `waitSeconds` for those that still
 * announce it. Servers that only the publisher vouched for say nothing: their data is deleted by hand.
 *
 * @throws RegistryError REGISTRY_UNREACHABLE
 */
export async function dataOf(
  node: RegistryNode,
  { appliance, version }: VersionRef,
  waitSeconds: number,
  signal?: AbortSignal,
): Promise<VersionData> {
  const until = node.clock.now() + waitSeconds * 1000;
  for (;;) {
    const { entries } = await node.tables.getServerRecords(appliance, version);
    const own = entries.filter((entry) => !isVouchedFor(entry));
    const serving = own.filter(({ payload }) => !payload.withdrawn).map(addressOf);
    const deleted = own.flatMap((entry) => {
      const { freedBytes } = entry.payload;
      return freedBytes === undefined ? [] : [{ server: addressOf(entry), freedBytes }];
    });
    if (serving.length === 0 || node.clock.now() >= until || signal?.aborted === true) {
      return { deleted, serving };
    }
    await sleep(node.clock, ASK_AGAIN_MS, signal);
  }
}

function isVouchedFor(entry: SignedServerEntry): boolean {
  return isEndorsed(entry) && entry.payload.server === addressOf(entry);
}

function addressOf({ payload }: SignedServerEntry): string {
  return formatServerAddress(payload.address);
}
