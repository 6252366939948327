import {
  PORTMAP_GETPORT,
  PORTMAP_PROGRAM,
  PORTMAP_VERSION,
  RpcClient,
  RpcError,
} from '@rowfs/oncrpc';

const TCP = 6;

/**
 * Asks the portmapper of a host on which TCP port it serves a program (RFC 1833 section 3.2).
 *
 * @throws RpcError PROG_UNAVAIL when it does not serve it; otherwise as a call does.
 */
export async function lookUpPort(
  portmapper: { readonly host: string; readonly port: number },
  { program, version }: { readonly program: number; readonly version: number },
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<number> {
  const client = new RpcClient({
    connect: portmapper,
    program: PORTMAP_PROGRAM,
    version: PORTMAP_VERSION,
    timeoutMs: options.timeoutMs,
    maxFailedConnections: 1,
  });
  try {
    const writeMapping = (args: { uint32(value: number): void }): void => {
      for (const word of [program, version, TCP, 0]) args.uint32(word);
    };
    const results = await client.call(PORTMAP_GETPORT, writeMapping, { signal: options.signal });
    const port = results.uint32();
    if (port === 0 || port > 65_535) {
      throw new RpcError(
        'PROG_UNAVAIL',
        `the portmapper of ${portmapper.host} knows no program ${program} version ${version} on TCP`,
      );
    }
    return port;
  } finally {
    await client.close();
  }
}
