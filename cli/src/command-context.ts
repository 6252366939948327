import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { RegistryNode } from '@rowfs/registry';
import type { Command } from 'commander';
import { type Logger, pino } from 'pino';
import { CliError } from './errors.ts';
import { pretty } from './log-format.ts';
import type { CommonOptions } from './options.ts';
import { createOutput, type Output } from './output.ts';

/** What a command works with: where its state is, how it prints, how it logs. */
export interface CommandContext {
  readonly state: string;
  /** Of what all proxies of this machine share. */
  readonly cache: string;
  readonly registry: readonly string[];
  /** What every registry node that is started here is told. */
  readonly node: { readonly dialFrom?: string; readonly logger: Logger };
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
    node: { logger, ...(dialFrom === undefined ? {} : { dialFrom }) },
    logger,
    output: createOutput(process.stdout, json),
  };
}

/** The key that names this user's appliances. */
export function publisherKeyPath({ state }: CommandContext): string {
  return join(state, 'publisher.key');
}

/**
 * The appliance that `text` means: `NAME@PEERID`, or a bare NAME for one of this user's own.
 *
 * @throws CliError KEY_UNREADABLE for a bare name when there is no publisher key.
 */
export async function applianceOf(context: CommandContext, text: string): Promise<string> {
  if (text.includes('@')) return text;
  const path = publisherKeyPath(context);
  if (!existsSync(path)) {
    throw new CliError(
      'KEY_UNREADABLE',
      `'${text}' would be one of your own appliances, but there is no key at ${path}: name another's in full, NAME@PEERID, or create a key with 'rowfs key'`,
    );
  }
  const { formatApplianceId, loadKey } = await import('@rowfs/registry');
  const { peerId } = await loadKey(path);
  return formatApplianceId({ name: text, publisher: peerId });
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
    ...context.node,
  });
  try {
    return await use(node);
  } finally {
    await node.close();
  }
}
