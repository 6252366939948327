import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { BootError } from './boot-error.ts';
import { findDhcpServer } from './dhcp-probe.ts';
import type { Subnet } from './subnet.ts';

/** Bits of capabilities(7). */
const CAP_NET_BIND_SERVICE = 10n;
const CAP_NET_ADMIN = 12n;
const CAP_NET_RAW = 13n;

/**
 * Sees whether this machine can boot others.
 *
 * @throws BootError DNSMASQ_MISSING, NEEDS_RIGHTS
 */
export async function checkRequirements(): Promise<void> {
  checkDnsmasq();
  await checkRights();
}

function checkDnsmasq(): void {
  if (spawnSync('dnsmasq', ['--version'], { stdio: 'ignore' }).status === 0) return;
  throw new BootError(
    'DNSMASQ_MISSING',
    'dnsmasq, which answers DHCP and TFTP, is missing: apt install dnsmasq-base',
  );
}

async function checkRights(): Promise<void> {
  const status = await readFile('/proc/self/status', 'utf8');
  const effective = BigInt(`0x${/^CapEff:\s*(?<bits>[0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  const needed = [CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_NET_RAW];
  if (needed.every((bit) => ((effective >> bit) & 1n) === 1n)) return;
  throw new BootError(
    'NEEDS_RIGHTS',
    'DHCP, TFTP and the portmapper are on ports below 1024: be root, or have CAP_NET_BIND_SERVICE, CAP_NET_ADMIN and CAP_NET_RAW',
  );
}

/**
 * Asks the network whether somebody gives addresses there already.
 *
 * @returns what an operator should know, if anything
 * @throws BootError ANOTHER_DHCP_SERVER when this one would do so too
 */
export async function checkOtherServers(
  name: string,
  subnet: Subnet,
  isProxy: boolean,
): Promise<string | undefined> {
  const found = await findDhcpServer(subnet);
  if (found.kind === 'unknown')
    return `whether another DHCP server answers on ${name} was not found out: ${found.reason}`;
  if (isProxy)
    return found.kind === 'none'
      ? `no DHCP server answers on ${name}: with --proxy-dhcp another one must give addresses`
      : undefined;
  if (found.kind === 'none') return undefined;
  throw new BootError(
    'ANOTHER_DHCP_SERVER',
    `${found.address} answers DHCP on ${name} already, and two would give addresses twice: boot beside it with --proxy-dhcp, or stop it`,
  );
}
