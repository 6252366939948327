import { isIPv6 } from 'node:net';
import { z } from 'zod';
import { RegistryError } from '../errors.ts';

/** The IANA port of NFS. */
export const NFS_PORT = 2049;

const port = z.int().min(1).max(65_535);

export const serverAddressSchema = z.strictObject({
  /** A host name or an IP address, without brackets. */
  host: z
    .string()
    .regex(/^[A-Za-z0-9._:-]{1,253}$/, 'not a host name or IP address')
    .refine((host) => !host.includes(':') || isIPv6(host), 'not an IPv6 address'),
  /** The TCP port of NFS. */
  port,
  /** The TCP port of MOUNT when it is neither on `port` nor to be asked of a portmapper. */
  mountPort: port.exactOptional(),
  /** The exported path, absolute. */
  exportPath: z
    .string()
    .max(255)
    .regex(/^\/[^\0\n]*$/, 'not an absolute path'),
});

/** Where an NFSv3 export is. */
export type ServerAddress = z.infer<typeof serverAddressSchema>;

/** `host:port:/path`, or `host:port,mountPort:/path`; an IPv6 host stands in brackets. */
export function formatServerAddress(address: ServerAddress): string {
  const host = isIPv6(address.host) ? `[${address.host}]` : address.host;
  const mount = address.mountPort === undefined ? '' : `,${address.mountPort}`;
  return `${host}:${address.port}${mount}:${address.exportPath}`;
}

/**
 * Parses `host:/path`, `host:port:/path` and `host:port,mountPort:/path`.
 *
 * @throws RegistryError INVALID_ADDRESS
 */
export function parseServerAddress(text: string): ServerAddress {
  const match =
    /^(?:\[(?<v6>[0-9a-fA-F:]+)\]|(?<host>[^:[\]/]+))(?::(?<port>\d+)(?:,(?<mountPort>\d+))?)?:(?<exportPath>\/.*)$/.exec(
      text,
    );
  const groups = match?.groups;
  const parsed = serverAddressSchema.safeParse({
    host: groups?.['v6'] ?? groups?.['host'],
    port: Number(groups?.['port'] ?? NFS_PORT),
    ...(groups?.['mountPort'] === undefined ? {} : { mountPort: Number(groups['mountPort']) }),
    exportPath: groups?.['exportPath'],
  });
  if (!parsed.success) {
    throw new RegistryError(
      'INVALID_ADDRESS',
      `"${text}" is not an NFS export: expected host[:port[,mountport]]:/path, e.g. 10.0.0.5:2049:/srv/debian`,
    );
  }
  return parsed.data;
}
