/** A rack of machines without a disk, and all that they boot from, in a network of its own. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { execa } from 'execa';
import {
  BRIDGE,
  type DisklessNetwork,
  disklessNetwork,
  DisklessMachine,
  KERNEL_OPTIONS,
} from './diskless-network.ts';
import { type Guest, GuestError } from './guest.ts';
import { relayInNetwork, type RelayInNetwork } from './relay-in-network.ts';
import type { RelayOptions } from './relay.ts';
import { askRowfs, type RowfsDaemon, type RowfsOptions, startRowfs, stateOf } from './rowfs.ts';
import type { TestScope } from './test-scope.ts';

export type ReadyServer = { readonly port: number };
export type ReadyNode = { readonly addresses: readonly string[] };

/** What `rowfs status` tells of a server of the image. */
export type ServerOfSession = {
  readonly address: string;
  readonly state: string;
  readonly blocks: { readonly good: number; readonly bad: number; readonly bytes: number };
};

export type BootedSession = {
  readonly version: string;
  readonly notices: readonly string[];
  readonly servers: readonly ServerOfSession[];
  readonly image: { readonly digest: string; readonly prefetch: { readonly done: number } | null };
  readonly machine: Readonly<Record<'state' | 'booted' | 'staged' | 'rollback' | 'failed', string>>;
};

/** The lease of whatever a rack's machines run, as `rowfs` takes it. */
export const LEASE = '5s';
/** Less than a machine takes that asks again: what did not come up then is given up. */
const UP_WITHIN = '20s';
const MAC = '52:54:00:77:00:02';
const BOOT_ATTEMPTS = 3;

/** `rowfs boot` of a rack's only machine. */
export type BootServer = {
  readonly daemon: RowfsDaemon<object>;
  status(): Promise<BootedSession>;
  /** Resolves when that is so. */
  until(isSo: (session: BootedSession) => boolean): Promise<BootedSession>;
};

export class Rack {
  readonly directory: string;
  readonly machine: DisklessMachine;
  readonly #scope: TestScope;
  readonly #network: DisklessNetwork;

  private constructor(scope: TestScope, network: DisklessNetwork, machine: DisklessMachine) {
    this.directory = scope.directory;
    this.machine = machine;
    this.#scope = scope;
    this.#network = network;
  }

  static async open(scope: TestScope): Promise<Rack> {
    const { directory } = scope;
    const network = scope.own(await disklessNetwork(directory));
    const machine = await DisklessMachine.connect({ network, directory, name: 'tap0', mac: MAC });
    return new Rack(scope, network, machine);
  }

  user(owner: string, registry: readonly string[] = []): RowfsOptions {
    const { directory } = this;
    return { directory, owner, registry, enter: this.#network.enter, timeoutMs: 120_000 };
  }

  async node(port = 0): Promise<RowfsDaemon<ReadyNode>> {
    const listen = ['--listen', `/ip4/127.0.0.1/tcp/${port}`, '--rest', '127.0.0.1:0'];
    return this.#scope.own(
      await startRowfs<ReadyNode>(['node', '--alone', ...listen], this.user('node')),
    );
  }

  /** @param user whose state it has, and which registry it asks, if any */
  async serve(
    tree: string,
    user: RowfsOptions,
    { port = 0, args = [] }: { readonly port?: number; readonly args?: readonly string[] } = {},
  ): Promise<RowfsDaemon<ReadyServer>> {
    const serve = ['serve', tree, '--listen', `127.0.0.1:${port}`, ...args];
    return this.#scope.own(await startRowfs<ReadyServer>(serve, user));
  }

  /** @returns the ports at this end of a link to servers */
  async link(options: RelayOptions): Promise<RelayInNetwork> {
    return this.#scope.own(await relayInNetwork(this.#network, this.directory, options));
  }

  async boot(appliance: string, user: RowfsOptions): Promise<BootServer> {
    const daemon = this.#scope.own(
      await startRowfs<object>(
        [
          ...['boot', appliance, '--interface', BRIDGE, '--upgrade', 'carry', '--lease', LEASE],
          ...['--up-within', UP_WITHIN, '--append', KERNEL_OPTIONS, '--rest', '127.0.0.1:0'],
          // Without them, iPXE waits for some for 14 seconds of each boot.
          '--router-advertisements',
        ],
        user,
      ),
    );
    const status = (): Promise<BootedSession> => statusOf(user);
    return {
      daemon,
      status,
      async until(isSo) {
        for (;;) {
          const session = await status();
          if (isSo(session)) return session;
          await pause(500);
        }
      },
    };
  }

  /** Switches the machine on, and waits until it takes steps. A boot that locks up is tried again. */
  async switchOn(): Promise<Guest> {
    for (let attempt = 1; ; attempt += 1) {
      const guest = this.#scope.own(await this.machine.switchOn());
      try {
        await guest.booted;
        return guest;
      } catch (error) {
        const isLockup = error instanceof GuestError && error.code === 'GUEST_LOCKUP';
        if (!isLockup || attempt === BOOT_ATTEMPTS) throw error;
        await guest.close();
      }
    }
  }

  /** A copy of an appliance's tree, which may be changed. */
  async copyOf(tree: string, name: string): Promise<string> {
    const copy = join(this.directory, name);
    await execa('cp', ['-a', '--reflink=auto', tree, copy]);
    return copy;
  }
}

async function statusOf(user: RowfsOptions): Promise<BootedSession> {
  const { daemons } = await askRowfs<{
    daemons: { command: string; sessions: BootedSession[] }[];
  }>(['status'], user);
  const session = daemons.find(({ command }) => command === 'boot')?.sessions[0];
  assert.ok(session !== undefined);
  return session;
}

/** What the machine's boots of an image recorded, for others. */
export function recordedProfile(user: RowfsOptions, digest: string): string {
  return join(stateOf(user), 'cache', 'boot-profiles', digest);
}

/** Ends what runs on a machine, and switches it off. */
export async function shutDown(guest: Guest): Promise<void> {
  await guest.run('systemctl --no-block reboot');
  await guest.ended;
  await guest.close();
}
