import { isIPv6 } from 'node:net';
import type { ImageServer } from '@rowfs/proxy';
import { CliError } from './errors.ts';

/** The IANA port of NFS. */
const NFS_PORT = 2049;

/**
 * Parses `host[:port[,mountport]]:/path`, the form in which the registry gives servers too; here
 * without it, since a proxy before plain NFS exports has none.
 *
 * @throws CliError INVALID_ADDRESS
 */
export function parseImageServer(text: string): ImageServer {
  const groups =
    /^(?:\[(?<v6>[0-9a-fA-F:]+)\]|(?<name>[A-Za-z0-9._-]{1,253}))(?::(?<port>\d+)(?:,(?<mountPort>\d+))?)?:(?<path>\/[^\0\n]{0,254})$/.exec(
      text,
    )?.groups;
  const { v6, name, path } = groups ?? {};
  const host = v6 === undefined || isIPv6(v6) ? (v6 ?? name) : undefined;
  const port = Number(groups?.['port'] ?? NFS_PORT);
  const mountPort = groups?.['mountPort'] === undefined ? undefined : Number(groups['mountPort']);
  const isValid = [port, mountPort ?? port].every((each) => each >= 1 && each <= 65_535);
  if (host === undefined || path === undefined || !isValid) {
    throw new CliError(
      'INVALID_ADDRESS',
      `"${text}" is not an NFS export: expected host[:port[,mountport]]:/path, e.g. 10.0.0.5:2049:/srv/debian`,
    );
  }
  return { host, port, export: path, ...(mountPort === undefined ? {} : { mountPort }) };
}
