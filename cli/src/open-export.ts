import { createLocalDirectory, listenNfs3, squash, stack } from '@rowfs/nfs3';
import type { CommandContext } from './command-context.ts';
import { listenError } from './errors.ts';
import type { HostPort } from './options.ts';
import { type SquashCommandOptions, squashOf } from './squash-options.ts';

export interface ExportOptions extends SquashCommandOptions {
  readonly listen: HostPort;
  readonly portmap?: number;
}

/** A directory that is served read-only over NFSv3. */
export interface OpenExport {
  readonly host: string;
  readonly port: number;
  readonly mountPort: number;
  /** Ends serving; resolves when no call runs any more. */
  readonly suspend: () => Promise<void>;
  /** Serves again, at the same ports. */
  readonly resume: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** @throws CliError when the address cannot be listened on */
export async function openExport(
  { logger }: CommandContext,
  directory: string,
  options: ExportOptions,
): Promise<OpenExport> {
  const service = await createLocalDirectory({ root: directory, access: 'read-only' });
  const listen = (at: HostPort) =>
    listenNfs3({
      service: stack(service, squash(squashOf(options))),
      ...at,
      ...(options.portmap === undefined ? {} : { portmapPort: options.portmap }),
      logger,
    }).catch((error: unknown) => {
      throw listenError(error, at);
    });
  try {
    let listener = await listen(options.listen);
    const { host, port, mountPort } = listener;
    return {
      host,
      port,
      mountPort,
      suspend: () => listener.close(),
      async resume() {
        listener = await listen({ host: options.listen.host, port });
      },
      async close() {
        await listener.close();
        await service.close();
      },
    };
  } catch (error) {
    await service.close();
    throw error;
  }
}
