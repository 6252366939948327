/**
 * One stack over a server, with the layer that redirects writes or without it, to see what that layer
 * costs. Takes one JSON argument (PassThroughTask), prints one JSON line (ListeningAt), ends on SIGTERM.
 */
import { connectNfs3, listenNfs3, stack } from '@rowfs/nfs3';
import {
  createFailover,
  DEFAULT_FAILOVER_TIMINGS,
  openShadow,
  redirectOnWrite,
} from '@rowfs/proxy';
import { pino } from 'pino';

export interface PassThroughTask {
  readonly server: {
    readonly host: string;
    readonly port: number;
    readonly mountPort: number;
    readonly export: string;
  };
  /** Where the shadow is, or, without redirection, only the table of handles. */
  readonly directory: string;
  readonly redirect: boolean;
}

export interface ListeningAt {
  readonly host: string;
  readonly port: number;
  readonly mountPort: number;
}

const { server, directory, redirect } = JSON.parse(process.argv[2] ?? '') as PassThroughTask;
const logger = pino({ level: 'silent' });
const shadow = await openShadow({ directory, belongsTo: {} });
const failover = await createFailover({
  servers: [server],
  openServer: ({ host, port = 0, mountPort = 0 }) => connectNfs3({ host, port, mountPort }),
  records: shadow.records,
  timings: DEFAULT_FAILOVER_TIMINGS,
  logger,
  onChange: () => undefined,
});
await failover.ready(AbortSignal.timeout(10_000));
const service = redirect ? stack(failover, redirectOnWrite(shadow)) : failover;
const listener = await listenNfs3({ service, host: '127.0.0.1', port: 0 });
const { host, port, mountPort } = listener;
process.stdout.write(`${JSON.stringify({ host, port, mountPort } satisfies ListeningAt)}\n`);
await new Promise((resolve) => process.once('SIGTERM', resolve));
await listener.close();
await failover.close();
await shadow.close();
