import { connectNfs3 } from '@rowfs/nfs3';
import type { Logger } from 'pino';
import type { OpenServer } from './replica.ts';

/** One failed connection is enough: there are other servers, and this one is tried again later. */
export function serverOpener(logger: Logger): OpenServer {
  return ({ host, port, mountPort }) =>
    connectNfs3({
      host,
      ...(port !== undefined && { port }),
      ...(mountPort !== undefined && { mountPort }),
      maxFailedConnections: 1,
      logger,
    });
}
