import { mkdir, open, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../clock.ts';
import { RegistryError } from '../errors.ts';
import { loadKey, loadOrCreateKey, type Identity } from '../identity.ts';
import { openCertificate, openJoin, openRevocations, signCertificate } from './certificates.ts';
import { MAX_REVOKED, signRevocations, type Revocations } from './certificates.ts';
import { Membership } from './membership.ts';

const DAY_MS = 24 * 3600 * 1000;
/** How long a machine is a member before it has to join again. */
export const MEMBERSHIP_MS = 366 * DAY_MS;

/** A machine's place in a fleet, on disk: below the state directory. */
export class FleetFiles {
  readonly #directory: string;

  constructor(stateDir: string) {
    this.#directory = join(stateDir, 'fleet');
  }

  get fleetKeyPath(): string {
    return this.#path('fleet.key');
  }

  memberKey(): Promise<Identity> {
    return loadOrCreateKey(this.#path('member.key'));
  }

  /** Makes the fleet's key, and this machine its first member. @returns the fleet's id */
  async init(): Promise<string> {
    const fleetKey = await loadOrCreateKey(this.fleetKeyPath);
    const { peerId: member } = await this.memberKey();
    await this.#certify(fleetKey, member);
    return fleetKey.peerId;
  }

  async #certify(fleetKey: Identity, member: string): Promise<void> {
    const expires = systemClock.now() + MEMBERSHIP_MS;
    const fleet = fleetKey.peerId;
    const certificate = signCertificate({ fleet, member, role: 'member', expires }, fleetKey);
    await this.keepMembership(fleet, certificate);
  }

  /** From now on this machine is a member of `fleet`. */
  async keepMembership(fleet: string, certificate: Uint8Array): Promise<void> {
    await this.#write('certificate', certificate);
    await this.#write('fleet', Buffer.from(fleet));
  }

  /** The membership of this machine; undefined when it is in no fleet. @throws RegistryError NOT_A_MEMBER */
  async membership(): Promise<Membership | undefined> {
    const fleet = (await this.#read('fleet'))?.toString();
    const certificate = await this.#read('certificate');
    if (fleet === undefined || certificate === undefined) return undefined;
    const issues = (await this.#read('fleet.key')) !== undefined;
    return new Membership({
      fleet,
      certificate,
      member: await this.memberKey(),
      revocations: (await this.#read('revocations')) ?? null,
      clock: systemClock,
      keepRevocations: (list) => this.#write('revocations', list),
      ...(issues && { redeem: (invitation, request) => this.#redeem(invitation, request) }),
    });
  }

  /**
   * The next list, with `members` on it, and without those whose certificates have ended since.
   *
   * @throws RegistryError QUOTA_EXCEEDED, KEY_UNREADABLE
   */
  async revoke(members: readonly string[]): Promise<Uint8Array> {
    const fleetKey = await loadKey(this.fleetKeyPath);
    const fleet = fleetKey.peerId;
    const now = systemClock.now();
    const held = await this.#read('revocations');
    const before: Revocations =
      held === undefined ? { fleet, seq: 0, revoked: [] } : openRevocations(held, fleet);
    const kept = before.revoked.filter(
      ({ member, expires }) => expires > now && !members.includes(member),
    );
    // No certificate that there is now outlives this.
    const added = members.map((member) => ({ member, expires: now + MEMBERSHIP_MS }));
    if (kept.length + added.length > MAX_REVOKED) {
      throw new RegistryError(
        'QUOTA_EXCEEDED',
        `${kept.length} members are revoked already, and ${MAX_REVOKED} can be: found a new fleet`,
      );
    }
    const next = { fleet, seq: before.seq + 1, revoked: [...kept, ...added] };
    const list = signRevocations(next, fleetKey);
    await this.#write('revocations', list);
    return list;
  }

  /** @throws RegistryError INVITATION_USED, NOT_A_MEMBER; RecordRefusal */
  async #redeem(invitation: Uint8Array, request: Uint8Array): Promise<Uint8Array> {
    const fleetKey = await loadKey(this.fleetKeyPath);
    const fleet = fleetKey.peerId;
    const { member: invited, role } = openCertificate(invitation, fleet, systemClock.now());
    const member = openJoin(request, fleet, invited);
    if (role !== 'invitation') throw new RegistryError('NOT_A_MEMBER', 'this is no invitation');
    await this.#useUp(invited, member);
    const expires = systemClock.now() + MEMBERSHIP_MS;
    return signCertificate({ fleet, member, role: 'member', expires }, fleetKey);
  }

  /** An invitation is for one machine; the same may ask again, when the answer was lost. */
  async #useUp(invitation: string, member: string): Promise<void> {
    await mkdir(this.#path('used'), { recursive: true, mode: 0o700 });
    const path = this.#path(join('used', invitation));
    try {
      await writeFile(path, member, { flag: 'wx', mode: 0o600, flush: true });
    } catch (error) {
      if (!isCode(error, 'EEXIST')) throw error;
      if ((await readFile(path, 'utf8')) === member) return;
      throw new RegistryError('INVITATION_USED', 'this invitation was used by another machine');
    }
  }

  #path(name: string): string {
    return join(this.#directory, name);
  }

  async #read(name: string): Promise<Buffer | undefined> {
    try {
      return await readFile(this.#path(name));
    } catch (error) {
      if (isCode(error, 'ENOENT')) return undefined;
      throw error;
    }
  }

  /** Whole and durable: written aside, synced, renamed. */
  async #write(name: string, content: Uint8Array): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const temporary = this.#path(`${name}.${process.pid}.tmp`);
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, this.#path(name));
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
