import { isDeepStrictEqual } from 'node:util';
import { formatApplianceId, parseApplianceId } from './appliance-id.ts';
import { RegistryError } from './errors.ts';
import type { Identity } from './identity.ts';
import type { RegistryNode } from './node.ts';
import { compareLatest, MAX_SEQ, signLatest } from './records/latest.ts';
import type { Latest, SignedLatest } from './records/latest.ts';
import { authorityOf, epochOf, type KeyProofs } from './records/succession.ts';
import type { HoldersRead } from './tables.ts';

/** On how many nodes a record must be found before the next step relies on it (fewer in smaller networks). */
export const REPLICATION_FLOOR = 3;

/** What lets a key sign for a publisher: in whose ids another key may stand, the first one. */
export interface Mandate extends KeyProofs {
  /** The key in the ids of the publisher's appliances. */
  readonly publisher: string;
}

/** With what `latest` records are signed and written. */
export interface LatestWriterInit {
  readonly node: RegistryNode;
  readonly key: Identity;
  /** For a publisher whose key was changed, or has a recovery key. */
  readonly mandate?: Mandate;
}

/** A record without what its writer adds. */
export type LatestDraft = Omit<Latest, 'seq' | 'published' | 'succession' | 'recovery'>;

/** Signs the next `latest` record of an appliance, always on top of the newest one known. */
export class LatestWriter {
  readonly node: RegistryNode;
  readonly #key: Identity;
  readonly mandate: Mandate;

  constructor({ node, key, mandate = { publisher: key.peerId } }: LatestWriterInit) {
    this.node = node;
    this.#key = key;
    this.mandate = mandate;
  }

  applianceId(name: string): string {
    return formatApplianceId({ name, publisher: this.mandate.publisher });
  }

  /** The record to build on: the newest of the DHT's and our own, which may be the only one left. */
  async newest(appliance: string): Promise<SignedLatest | undefined> {
    const { tables } = this.node;
    const { record, expired } = await tables.getLatest(appliance);
    const known = [record, expired, tables.newestSeen(appliance)].filter((r) => r !== undefined);
    return known.sort(compareLatest).at(-1);
  }

  /** @throws RegistryError APPLIANCE_NOT_FOUND; as `newest` */
  async newestPublished(appliance: string): Promise<SignedLatest> {
    const newest = await this.newest(appliance);
    if (newest !== undefined) return newest;
    throw new RegistryError('APPLIANCE_NOT_FOUND', `${appliance} was never published`);
  }

  /**
   * Signs `draft` as the record after `base`, and puts it.
   *
   * @throws RegistryError KEY_REVOKED when this key was replaced or revoked; as `Tables.putLatest`
   */
  async write(draft: LatestDraft, base: SignedLatest | undefined): Promise<SignedLatest> {
    const proofs = this.#proofsAfter(base);
    const isSameKey = base !== undefined && epochOf(proofs) === epochOf(base.payload);
    // A later key's records count before all of an earlier one, which may have used the numbers up.
    const seq =
      isSameKey || (base?.payload.seq ?? 0) < MAX_SEQ / 2 ? (base?.payload.seq ?? 0) + 1 : 1;
    const payload = { ...withoutProofs(draft), seq, published: this.node.clock.now(), ...proofs };
    const record = signLatest(payload, this.#key);
    await this.node.tables.putLatest(record);
    return record;
  }

  /**
   * Signs the newest record anew with some of its fields changed; not, if they stay what they are.
   *
   * @throws as `newestPublished` and `write`
   */
  async change(
    appliance: string,
    change: (latest: Latest) => Partial<LatestDraft> | Promise<Partial<LatestDraft>>,
  ): Promise<void> {
    const base = await this.newestPublished(appliance);
    const changed = { ...base.payload, ...(await change(base.payload)) };
    if (isDeepStrictEqual(changed, { retired: [], deletable: [], ...base.payload })) return;
    await this.write(changed, base);
  }

  /** @throws RegistryError KEY_REVOKED when this key may not sign what comes after `base` */
  checkKey(base: SignedLatest | undefined): void {
    this.#proofsAfter(base);
  }

  /** The proofs that this key signs by. @throws RegistryError KEY_REVOKED */
  #proofsAfter(base: SignedLatest | undefined): Pick<Latest, 'succession' | 'recovery'> {
    const { publisher, succession, recovery } = this.mandate;
    const isOurs = base === undefined || epochOf(this.mandate) > epochOf(base.payload);
    const proofs = isOurs
      ? { succession, recovery }
      : {
          succession: base.payload.succession,
          recovery: base.payload.recovery ?? recovery,
        };
    const { signer, revokedAt } = authorityOf(publisher, proofs);
    if (signer !== this.#key.peerId || revokedAt !== undefined) {
      throw new RegistryError(
        'KEY_REVOKED',
        `the key ${this.#key.peerId} was ${revokedAt === undefined ? `replaced by ${signer}` : 'revoked'}: it publishes nothing any more`,
      );
    }
    return {
      ...(proofs.succession !== undefined && { succession: proofs.succession }),
      ...(proofs.recovery !== undefined && { recovery: proofs.recovery }),
    };
  }

  /** @throws RegistryError REPLICATION_FLOOR when fewer nodes have it than must */
  async readBack(what: string, count: () => Promise<HoldersRead>): Promise<HoldersRead> {
    const read = await count();
    const floor = Math.min(REPLICATION_FLOOR, read.replicas);
    if (read.holders < floor) {
      throw new RegistryError(
        'REPLICATION_FLOOR',
        `the ${what} was read back from ${read.holders} of ${read.replicas} nodes, ${floor} are needed: publish again`,
      );
    }
    return read;
  }

  /** @throws as `write` and `readBack` */
  async writeAndReadBack(
    draft: LatestDraft,
    base: SignedLatest | undefined,
  ): Promise<HoldersRead & { readonly record: SignedLatest }> {
    const record = await this.write(draft, base);
    const count = (): Promise<HoldersRead> => this.node.tables.countLatestHolders(record);
    return { record, ...(await this.readBack(`latest record of ${draft.appliance}`, count)) };
  }
}

function withoutProofs(draft: LatestDraft): LatestDraft {
  const { appliance, version, channels, validUntil, history, retired, deletable } = draft;
  const gone = {
    ...(retired !== undefined && { retired }),
    ...(deletable !== undefined && { deletable }),
  };
  return { appliance, version, channels, validUntil, history, ...gone };
}

/** Whether `appliance` is one of this publisher's. */
export function isOf({ publisher }: Mandate, appliance: string): boolean {
  return parseApplianceId(appliance).publisher === publisher;
}
