import { createRestServer, type RegistryNode, type Session } from '@rowfs/registry';
import type { CommandContext } from './command-context.ts';
import type { HostPort } from './options.ts';
import { noteDaemon } from './running-daemons.ts';

export interface OperatorsRest {
  readonly url: string;
  close(): Promise<void>;
}

/** Starts the operators' REST of a command that goes on running, and lets `rowfs status` find it. */
export async function startOperatorsRest(
  { state, logger }: CommandContext,
  command: string,
  options: {
    readonly node: RegistryNode;
    readonly at: HostPort;
    readonly sessions?: () => Promise<readonly Session[]>;
  },
): Promise<OperatorsRest> {
  const rest = await createRestServer({
    node: options.node,
    sessions: {
      sessions: options.sessions ?? ((): Promise<readonly Session[]> => Promise.resolve([])),
    },
    logger,
  });
  try {
    const { url } = await rest.listen(options.at);
    const forget = await noteDaemon(state, command, url);
    return {
      url,
      async close() {
        await forget();
        await rest.close();
      },
    };
  } catch (error) {
    await rest.close();
    throw error;
  }
}
