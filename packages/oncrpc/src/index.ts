export { type Credential, NO_CREDENTIAL } from './auth.ts';
export { RpcClient, type RpcCallOptions, type RpcClientOptions } from './client.ts';
export type { ConnectionLimits } from './connection.ts';
export type { DuplicateRequestCacheLimits } from './duplicate-request-cache.ts';
export { RpcError, type RpcErrorCode } from './error.ts';
export {
  createPortmapper,
  listenPortmapper,
  type Portmapper,
  PORTMAP_DUMP,
  PORTMAP_GETPORT,
  PORTMAP_PORT,
  PORTMAP_PROGRAM,
  PORTMAP_VERSION,
  type PortMapping,
} from './portmap.ts';
export type { HostPort, Peer } from './address.ts';
export type { RpcContext, RpcProcedure, RpcProgram, WriteResults } from './program.ts';
export { DEFAULT_MAX_RECORD_BYTES } from './record-marking.ts';
export { ReplyLifetime } from './reply-lifetime.ts';
export { createRpcServer, type RpcServer, type RpcServerOptions } from './server.ts';
export type { Connect } from './transport.ts';
