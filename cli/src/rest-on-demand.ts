import { once } from 'node:events';
import { type AddressInfo, createServer, isIPv6, type Socket } from 'node:net';
import type { RegistryNode, RestServer, Session } from '@rowfs/registry';
import type { CommandContext } from './command-context.ts';
import { restListenError } from './errors.ts';
import type { OperatorsRest } from './operators-rest.ts';
import type { HostPort } from './options.ts';
import { noteDaemon } from './running-daemons.ts';

/**
 * The operators' REST of a command that runs for weeks and is seldom looked at: it listens from the
 * beginning, but is loaded, with the node that it tells of, when somebody first connects.
 */
export async function restOnDemand(
  { state, logger }: CommandContext,
  command: string,
  options: {
    readonly node: () => Promise<RegistryNode>;
    readonly at: HostPort;
    readonly sessions: () => Promise<readonly Session[]>;
  },
): Promise<OperatorsRest> {
  const { host, port } = options.at;
  const sockets = new Set<Socket>();
  let rest: Promise<RestServer> | undefined;
  const load = async (): Promise<RestServer> => {
    const { createRestServer } = await import('@rowfs/registry');
    const { sessions } = options;
    return createRestServer({ node: await options.node(), sessions: { sessions }, logger });
  };
  const listener = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    // Until the HTTP server listens to it; a client that goes away meanwhile is no error.
    socket.on('error', () => undefined);
    rest ??= load();
    rest.then(
      (server) => server.accept(socket, host),
      (error: unknown) => {
        logger.error({ err: error }, "the operators' REST could not be loaded");
        rest = undefined;
        socket.destroy();
      },
    );
  });
  listener.listen(port, host);
  try {
    await once(listener, 'listening');
  } catch (error) {
    throw restListenError(error, options.at);
  }
  const { port: bound } = listener.address() as AddressInfo;
  const url = `http://${urlHost(host)}:${bound}`;
  const forget = await noteDaemon(state, command, url).catch((error: unknown) => {
    listener.close();
    throw error;
  });
  return {
    url,
    async close() {
      await forget();
      listener.close();
      for (const socket of sockets) socket.destroy();
      const server = await rest?.catch(() => undefined);
      await server?.close();
    },
  };
}

/** How a client on this machine names `host` in a URL. */
function urlHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return isIPv6(host) ? `[${host}]` : host;
}
