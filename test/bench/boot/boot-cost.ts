/** What it takes to boot a machine without a disk. */
import { NFS3_PROGRAM, procedureNames } from '@rowfs/nfs3';
import type { DisklessMachine } from '../../support/diskless-network.ts';
import { type Guest, GuestError } from '../../support/guest.ts';
import type { Crossed } from '../../support/relay-in-network.ts';

/** Calls by procedure, as RFC 1813 names them. */
export type Calls = Readonly<Record<string, number>>;

export interface BootCost {
  /** From switching on to a userland that works. */
  readonly seconds: number;
  /** NFS calls of the machine's kernel. */
  readonly machineCalls: Calls;
  /** What it read of its root, and wrote to it, in bytes. */
  readonly machineRead: number;
  readonly machineWritten: number;
  /** NFS calls that crossed the link. */
  readonly linkCalls: Calls;
  /** Bytes that came over the link, headers included. */
  readonly linkBytes: number;
}

/** By their numbers. */
const PROCEDURES = ['null', ...procedureNames];

/** The emulator stalls about one boot in sixty: that one is not measured. */
const ATTEMPTS = 3;
const POWER_OFF_TIMEOUT_MS = 300_000;

export interface BootOptions {
  readonly machine: DisklessMachine;
  /** What crossed the link so far. */
  readonly crossed: () => Promise<Crossed>;
  /** Wraps what is measured: from switching on until it is up. */
  readonly watched: <Result>(during: () => Promise<Result>) => Promise<Result>;
  /** What is done with it then; no part of the cost. */
  readonly then: ((guest: Guest) => Promise<void>) | undefined;
}

/** Switches a machine on, and off again. */
export async function bootOnce({
  machine,
  crossed,
  watched,
  then,
}: BootOptions): Promise<BootCost> {
  for (let attempt = 1; ; attempt += 1) {
    const before = await crossed();
    const begin = performance.now();
    const guest = await machine.switchOn();
    try {
      await watched(() => guest.booted);
      const seconds = (performance.now() - begin) / 1000;
      const after = await crossed();
      const cost = { seconds, ...(await ofGuest(guest)), ...overLink(before, after) };
      await then?.(guest);
      await guest.run('systemctl --no-block poweroff', { timeoutMs: POWER_OFF_TIMEOUT_MS });
      await guest.ended;
      return cost;
    } catch (error) {
      const isLockup = error instanceof GuestError && error.code === 'GUEST_LOCKUP';
      if (!isLockup || attempt === ATTEMPTS) throw error;
    } finally {
      await guest.close();
    }
  }
}

function overLink(before: Crossed, after: Crossed): Pick<BootCost, 'linkCalls' | 'linkBytes'> {
  const { program } = NFS3_PROGRAM;
  const calls = PROCEDURES.map((name, procedure): [string, number] => {
    const key = `${program}.${procedure}`;
    return [name, (after.calls[key] ?? 0) - (before.calls[key] ?? 0)];
  });
  return {
    linkCalls: Object.fromEntries(calls.filter(([, count]) => count > 0)),
    linkBytes: after.bytes.toClient - before.bytes.toClient,
  };
}

/** As the kernel counts: /proc/net/rpc/nfs, in the order of RFC 1813, and /proc/self/mountstats. */
async function ofGuest(
  guest: Guest,
): Promise<Pick<BootCost, 'machineCalls' | 'machineRead' | 'machineWritten'>> {
  const { stdout: counters } = await guest.run("sed -n 's/^proc3 22 //p' /proc/net/rpc/nfs");
  const counts = counters.trim().split(' ').map(Number);
  const calls = PROCEDURES.map((name, index): [string, number] => [name, counts[index] ?? 0]);
  const { stdout: mounts } = await guest.run('cat /proc/self/mountstats');
  const root = /mounted on \/ with fstype nfs[^]*?bytes:\s+(?<bytes>[\d ]+)/.exec(mounts);
  // Of eight: by read(2) and write(2), the same with O_DIRECT, and then what READ and WRITE carried.
  const bytes = root?.groups?.['bytes']?.trim().split(' ').map(Number) ?? [];
  return {
    machineCalls: Object.fromEntries(calls.filter(([, count]) => count > 0)),
    machineRead: bytes[4] ?? Number.NaN,
    machineWritten: bytes[5] ?? Number.NaN,
  };
}
