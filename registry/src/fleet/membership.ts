import { z } from 'zod';
import type { Clock } from '../clock.ts';
import { RegistryError } from '../errors.ts';
import type { Identity } from '../identity.ts';
import { decodeCbor, encodeCbor } from '../records/signed-record.ts';
import { openCertificate, openNode, openRevocations, signNode } from './certificates.ts';

const bytes = z.instanceof(Uint8Array) as z.ZodType<Uint8Array>;
/** Certificate, the node it is shown for, and the newest revocations known. */
const greetingSchema = z.tuple([bytes, bytes, bytes.nullable()]);

/** What a member is made of. */
export interface MembershipInit {
  /** The fleet's key. */
  readonly fleet: string;
  readonly certificate: Uint8Array;
  /** The key that the certificate is about. */
  readonly member: Identity;
  /** The newest list of revocations that was seen; null: none yet. */
  readonly revocations: Uint8Array | null;
  readonly clock: Clock;
  /** Puts a newer list of revocations on stable storage. */
  readonly keepRevocations: (list: Uint8Array) => Promise<void>;
  /** Where this member changes invitations for certificates: it has the fleet's key. */
  readonly redeem?: (invitation: Uint8Array, request: Uint8Array) => Promise<Uint8Array>;
}

/** A machine's place in a private fleet: what it shows to others, and whom it lets in. */
export class Membership {
  /** When this machine has to join again, ms since the epoch. */
  readonly expires: number;
  readonly #init: MembershipInit;
  #revocations: Uint8Array | null;
  #revoked: ReadonlySet<string>;
  #seq: number;
  /** The member behind each node that was let in. */
  readonly #memberOf = new Map<string, string>();
  readonly #listeners: ((list: Uint8Array) => void)[] = [];

  /** @throws RegistryError NOT_A_MEMBER when its own certificate is none */
  constructor(init: MembershipInit) {
    this.#init = init;
    this.expires = openCertificate(init.certificate, init.fleet, init.clock.now()).expires;
    this.#revocations = init.revocations;
    const list =
      init.revocations === null ? undefined : openRevocations(init.revocations, init.fleet);
    this.#seq = list?.seq ?? 0;
    this.#revoked = new Set(list?.revoked.map(({ member }) => member));
  }

  get fleet(): string {
    return this.#init.fleet;
  }

  get revokedMembers(): readonly string[] {
    return [...this.#revoked];
  }

  get redeem(): MembershipInit['redeem'] {
    return this.#init.redeem;
  }

  /** The newest list of revocations; null: none was seen. */
  get revocations(): Uint8Array | null {
    return this.#revocations;
  }

  /** What the node `node` of this member shows to others. */
  greeting(node: string): Uint8Array {
    const { fleet, certificate, member } = this.#init;
    return encodeCbor([certificate, signNode(fleet, node, member), this.#revocations]);
  }

  /**
   * Judges what the node `remote` showed; that it is this node was proven by the handshake.
   *
   * @throws RegistryError NOT_A_MEMBER; RecordRefusal
   */
  async admit(greeting: Uint8Array, remote: string): Promise<void> {
    const { fleet, clock } = this.#init;
    const parsed = greetingSchema.safeParse(decodeCbor(greeting));
    if (!parsed.success) throw new RegistryError('NOT_A_MEMBER', `${remote} showed no certificate`);
    const [certificate, node, revocations] = parsed.data;
    const { member, role } = openCertificate(certificate, fleet, clock.now());
    if (role !== 'member' || openNode(node, fleet, member) !== remote) {
      throw new RegistryError('NOT_A_MEMBER', `${remote} showed a certificate that is not its own`);
    }
    if (revocations !== null) await this.takeRevocations(revocations);
    if (this.#revoked.has(member)) {
      throw new RegistryError('NOT_A_MEMBER', `${member} is no member of the fleet any more`);
    }
    this.#memberOf.set(remote, member);
  }

  /** Whether the node was let in by a member that was revoked since. */
  isRevoked(node: string): boolean {
    return this.#revoked.has(this.#memberOf.get(node) ?? '');
  }

  /**
   * Takes a list of revocations if it is newer than all before; durable when it resolves.
   *
   * @throws RegistryError NOT_A_MEMBER; RecordRefusal
   */
  async takeRevocations(list: Uint8Array): Promise<void> {
    const { seq, revoked } = openRevocations(list, this.#init.fleet);
    if (seq <= this.#seq) return;
    this.#seq = seq;
    this.#revocations = list;
    this.#revoked = new Set(revoked.map(({ member }) => member));
    await this.#init.keepRevocations(list);
    for (const listener of this.#listeners) listener(list);
  }

  /** Calls `listener` with each newer list of revocations. */
  onRevocations(listener: (list: Uint8Array) => void): void {
    this.#listeners.push(listener);
  }
}
