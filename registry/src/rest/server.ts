import { readFile } from 'node:fs/promises';
import { isIPv6, type Socket } from 'node:net';
import fastify from 'fastify';
import {
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import type { Logger } from 'pino';
import { z } from 'zod';
import { messageOf } from '../errors.ts';
import type { RegistryNode } from '../node.ts';
import { applianceRoutes } from './appliance-routes.ts';
import { serveDocumentation } from './documentation.ts';
import { isOwnHost } from './host-check.ts';
import { nodeRoutes } from './node-routes.ts';
import { ProblemError } from './problem.ts';
import { answerWithProblems, refuseConnection, refuseRequest } from './refusals.ts';
import { RestError } from './rest-error.ts';
import type { SessionSource } from './session.ts';
import { sessionRoutes } from './session-routes.ts';
import { versionRoutes } from './version-routes.ts';

export interface RestServerOptions {
  readonly node: RegistryNode;
  readonly sessions: SessionSource;
  readonly logger: Logger;
}

/** The operators' view of a process, over HTTP. It changes nothing, so whoever reaches it may read. */
export interface RestServer {
  /**
   * Listens; port 0 lets the system choose.
   *
   * @throws RestError PORT_IN_USE, LISTEN_REFUSED
   */
  listen(at: { readonly host: string; readonly port: number }): Promise<{ readonly url: string }>;
  /** Serves a connection to `host` that somebody else accepted. */
  accept(socket: Socket, host: string): void;
  /** Ends all connections at once, those that are only kept alive too. */
  close(): Promise<void>;
}

/** The longest path parameter: an appliance id with every character percent-encoded. */
const MAX_PARAMETER_LENGTH = 512;

/** Builds the server. It does not listen yet, and it never closes the node. */
export async function createRestServer(options: RestServerOptions): Promise<RestServer> {
  const { node, sessions, logger } = options;
  const version = await packageVersion();
  let listeningOn = '';

  const app = fastify({
    // The caller's logger hears of what went wrong, not of each request.
    logger: false,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: MAX_PARAMETER_LENGTH },
    frameworkErrors: refuseRequest,
    clientErrorHandler: refuseConnection,
  }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.addHook('onRequest', async ({ headers, socket }, reply) => {
    void reply.headers({ 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' });
    if (isOwnHost(headers.host, [listeningOn, socket.localAddress])) return;
    throw new ProblemError(
      421,
      'FOREIGN_HOST',
      `"${headers.host ?? ''}" is not this server: use localhost or the address it listens on`,
    );
  });
  answerWithProblems(app, logger);
  await serveDocumentation(app, version);
  const groups = [
    applianceRoutes(node),
    versionRoutes(node),
    nodeRoutes(node, version),
    sessionRoutes(sessions),
  ];
  for (const routes of groups) await app.register(routes, { prefix: '/v1' });
  await app.ready();

  return {
    async listen({ host, port }) {
      listeningOn = host;
      try {
        await app.listen({ host, port });
      } catch (error) {
        throw listenError(error, host, port);
      }
      const address = app.server.address();
      const bound = typeof address === 'object' ? address?.port : undefined;
      return { url: `http://${urlHost(host)}:${bound ?? port}` };
    },
    accept(socket, host) {
      listeningOn = host;
      app.server.emit('connection', socket);
    },
    close: () => app.close(),
  };
}

async function packageVersion(): Promise<string> {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  return z.object({ version: z.string() }).parse(JSON.parse(text)).version;
}

function listenError(error: unknown, host: string, port: number): RestError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'EADDRINUSE'
    ? new RestError(
        'PORT_IN_USE',
        `port ${port} of ${host} is in use: choose another one for the operators' REST, or 0 for any`,
        { cause: error },
      )
    : new RestError(
        'LISTEN_REFUSED',
        `operators' REST cannot listen on port ${port} of ${host}: ${messageOf(error)}`,
        { cause: error },
      );
}

/** How a client on this machine names `host` in a URL. */
function urlHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return isIPv6(host) ? `[${host}]` : host;
}
