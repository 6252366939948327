import { RpcClient, RpcError, type Credential } from '@rowfs/oncrpc';
import { XdrError } from '@rowfs/xdr';
import type { Logger } from 'pino';
import type { ProcedureCodec } from '../procedures/procedure.ts';
import type { Nfs3Context } from '../service.ts';
import { lookUpPort } from './port-lookup.ts';

/** What all programs of one server have in common. */
export interface RemoteHost {
  readonly host: string;
  readonly portmapPort: number;
  /** Replaces the credential of each call. */
  readonly credential: Credential | undefined;
  readonly timeoutMs: number;
  readonly maxFailedConnections: number;
  readonly logger: Logger;
}

const NULL_PROCEDURE = 0;

/**
 * Calls one program of a remote server. When its port is not given, the server's portmapper is
 * asked at the first call, and at each further one until it has told it.
 */
export class ProgramClient {
  readonly #host: RemoteHost;
  readonly #program: { readonly program: number; readonly version: number };
  readonly #closing = new AbortController();
  #client: Promise<RpcClient> | undefined;

  constructor(
    host: RemoteHost,
    program: { readonly program: number; readonly version: number },
    port: number | undefined,
  ) {
    this.#host = host;
    this.#program = program;
    if (port !== undefined) this.#client = Promise.resolve(this.#clientOf(port));
  }

  /** @throws RpcError; a reply that is not the procedure's result is BAD_REPLY. */
  async call<Args, Res>(
    codec: ProcedureCodec<Args, Res>,
    args: Args,
    ctx: Nfs3Context,
  ): Promise<Res> {
    const client = await this.#connected();
    const credential = this.#host.credential ?? ctx.credential;
    const reader = await client.call(codec.number, (writer) => codec.writeArgs(writer, args), {
      signal: ctx.signal,
      credential,
    });
    try {
      const result = codec.readResult(reader);
      reader.end();
      return result;
    } catch (error) {
      // Not to be taken for bad arguments of our own caller by a server above.
      if (!(error instanceof XdrError)) throw error;
      const message = `the server's result is not what was asked for: ${error.message}`;
      throw new RpcError('BAD_REPLY', message, { cause: error });
    }
  }

  async null(ctx: Nfs3Context): Promise<void> {
    const client = await this.#connected();
    await client.call(NULL_PROCEDURE, () => undefined, { signal: ctx.signal });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const client = await this.#client?.catch(() => undefined);
    await client?.close();
  }

  #connected(): Promise<RpcClient> {
    this.#client ??= this.#lookUp();
    return this.#client;
  }

  async #lookUp(): Promise<RpcClient> {
    const { host, portmapPort, timeoutMs } = this.#host;
    try {
      const portmapper = { host, port: portmapPort };
      const signal = this.#closing.signal;
      const port = await lookUpPort(portmapper, this.#program, { timeoutMs, signal });
      return this.#clientOf(port);
    } catch (error) {
      this.#client = undefined;
      if (this.#closing.signal.aborted) throw new RpcError('CLOSED', 'the client was closed');
      throw error;
    }
  }

  #clientOf(port: number): RpcClient {
    const { host, timeoutMs, maxFailedConnections, logger } = this.#host;
    return new RpcClient({
      ...this.#program,
      connect: { host, port },
      timeoutMs,
      maxFailedConnections,
      logger,
    });
  }
}
