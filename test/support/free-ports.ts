/** Ports for servers that cannot be told "any port" and report which one they got. */
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';

/** `count` different TCP ports of 127.0.0.1, free at this moment; another process may still take one. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  // All are held open together, so the kernel cannot give the same port twice.
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
