/** The operators' REST: what a node knows and what the proxies of its process do, for reading. */
export { createRestServer } from './server.ts';
export type { RestServer, RestServerOptions } from './server.ts';
export { RestError } from './rest-error.ts';
export type { RestErrorCode } from './rest-error.ts';
export type { ProcedureCounts, Session, SessionServer, SessionSource } from './session.ts';
