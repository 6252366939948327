/** The operators' REST: what a node knows and what the proxies of its process do, for reading. */
import type { RestServer, RestServerOptions } from './server.ts';

/** Loads the HTTP server only now: a node whose REST nobody asks does without its memory. */
export async function createRestServer(options: RestServerOptions): Promise<RestServer> {
  const server = await import('./server.ts');
  return server.createRestServer(options);
}

export type { RestServer, RestServerOptions } from './server.ts';
export { RestError } from './rest-error.ts';
export type { RestErrorCode } from './rest-error.ts';
export type { ProcedureCounts, Session, SessionServer, SessionSource } from './session.ts';
