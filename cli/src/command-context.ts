import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { RegistryNode, RegistryNodeSettings } from '@rowfs/registry';
import type { Command } from 'commander';
import { type Logger, pino } from 'pino';
import { CliError } from './errors.ts';
import { pretty } from './log-format.ts';
import type { CommonOptions } from './options.ts';
import { createOutput, type Output } from './output.ts';
import { loadMandate, publisherKeyPath } from './publisher-key.ts';
import { trustedPublisher } from './trusted-publishers.ts';

/** What all registry nodes of a machine have in common. */
export type NodeSettings = Pick<RegistryNodeSettings, 'dialFrom' | 'fleet' | 'logger'>;

/** What a command works with: where its state is, how it prints, how it logs. */
export interface CommandContext {
  readonly state: string;
  /** Of what all proxies of this machine share. */
  readonly cache: string;
  readonly registry: readonly string[];
  /** What every registry node that is started here is told. */
  readonly node: () => Promise<NodeSettings>;
  readonly logger: Logger;
  readonly output: Output;
}

export function commandContext(command: Command): CommandContext {
  const { state, cache, registry, dialFrom, logLevel, json } = command.opts<CommonOptions>();
  const stream = json ? undefined : pretty();
  // Standard output belongs to results.
  const logger = pino(
    { level: logLevel, base: null },
    stream ?? pino.destination({ fd: 2, sync: true }),
  );
  return {
    state,
    cache,
    registry,
    node: async () => {
      const { FleetFiles } = await import('@rowfs/registry');
      const fleet = await new FleetFiles(state).membership();
      return {
        logger,
        ...(dialFrom !== undefined && { dialFrom }),
        ...(fleet !== undefined && { fleet }),
      };
    },
    logger,
    output: createOutput(process.stdout, json),
  };
}

/** An appliance, and the channel of it that was asked for. */
export interface ApplianceRef {
  /** `NAME@PEERID` */
  readonly appliance: string;
  readonly channel?: string;
}

/**
 * The appliance that `text` means: `NAME@PEERID`; `NAME@ALIAS`, a publisher trusted under that name; or a
 * bare NAME for one of this user's own. `:CHANNEL` may follow.
 *
 * @throws CliError KEY_UNREADABLE for a bare name when there is no publisher key; UNKNOWN_PUBLISHER
 */
export async function applianceRefOf(context: CommandContext, text: string): Promise<ApplianceRef> {
  const [id = '', channel] = text.split(/:(.*)/s);
  if (channel !== undefined && !/^[a-z][a-z0-9-]{0,31}$/.test(channel)) {
    throw new CliError('BAD_USAGE', `'${text}': after ':' stands the name of a channel`);
  }
  const appliance = await idOf(context, id);
  return channel === undefined ? { appliance } : { appliance, channel };
}

/**
 * As `applianceRefOf`, where a channel means nothing.
 *
 * @throws CliError BAD_USAGE when one is given
 */
export async function applianceOf(context: CommandContext, text: string): Promise<string> {
  const { appliance, channel } = await applianceRefOf(context, text);
  if (channel === undefined) return appliance;
  throw new CliError('BAD_USAGE', `'${text}': this is about all channels, leave ':${channel}' out`);
}

async function idOf(context: CommandContext, text: string): Promise<string> {
  const at = text.indexOf('@');
  const { formatApplianceId } = await import('@rowfs/registry');
  if (at !== -1) {
    const publisher = await trustedPublisher(context.state, text.slice(at + 1));
    return formatApplianceId({ name: text.slice(0, at), publisher });
  }
  if (!existsSync(publisherKeyPath(context))) {
    throw new CliError(
      'KEY_UNREADABLE',
      `'${text}' would be one of your own appliances, but there is no key at ${publisherKeyPath(context)}: name another's in full, NAME@PEERID, or create a key with 'rowfs key'`,
    );
  }
  const { publisher } = await loadMandate(context);
  return formatApplianceId({ name: text, publisher });
}

/**
 * Asks the registry as a client that comes and goes: what it has seen, and so refuses to see rolled
 * back, is kept in the state directory; its network identity is not.
 *
 * @throws RegistryError REGISTRY_UNREACHABLE
 */
export async function withRegistry<T>(
  context: CommandContext,
  use: (node: RegistryNode) => Promise<T>,
): Promise<T> {
  const { createRegistryNode, generateIdentity } = await import('@rowfs/registry');
  const node = await createRegistryNode({
    dataDir: join(context.state, 'client'),
    listen: [],
    bootstrap: context.registry,
    mode: 'client',
    identity: generateIdentity(),
    ...(await context.node()),
  });
  try {
    return await use(node);
  } finally {
    await node.close();
  }
}
