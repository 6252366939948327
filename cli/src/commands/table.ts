import type { Command } from 'commander';

/** Every command, in the order in which a newcomer meets them, and how its options are had. */
const COMMANDS: Readonly<Record<string, () => Promise<(program: Command) => void>>> = {
  demo: async () => (await import('./demo.ts')).addDemoCommand,
  node: async () => (await import('./node.ts')).addNodeCommand,
  key: async () => (await import('./key/command.ts')).addKeyCommand,
  image: async () => (await import('./image/command.ts')).addImageCommand,
  serve: async () => (await import('./serve.ts')).addServeCommand,
  publish: async () => (await import('./publish.ts')).addPublishCommand,
  channel: async () => (await import('./channel/command.ts')).addChannelCommand,
  rollback: async () => (await import('./rollback.ts')).addRollbackCommand,
  fleet: async () => (await import('./fleet/command.ts')).addFleetCommand,
  trust: async () => (await import('./trust/command.ts')).addTrustCommand,
  resolve: async () => (await import('./resolve.ts')).addResolveCommand,
  proxy: async () => (await import('./proxy.ts')).addProxyCommand,
  boot: async () => (await import('./boot.ts')).addBootCommand,
  shadow: async () => (await import('./shadow/command.ts')).addShadowCommand,
  cache: async () => (await import('./cache/command.ts')).addCacheCommand,
  ls: async () => (await import('./ls.ts')).addLsCommand,
  sharers: async () => (await import('./sharers.ts')).addSharersCommand,
  gc: async () => (await import('./gc.ts')).addGcCommand,
  chaos: async () => (await import('./chaos.ts')).addChaosCommand,
  status: async () => (await import('./status.ts')).addStatusCommand,
};

/**
 * Adds every command. When `wanted` is the name of one, the others are names without options: what
 * they would import costs the one that runs time, and memory for as long as it runs.
 */
export async function addCommands(program: Command, wanted: string | undefined): Promise<void> {
  const isOne = wanted !== undefined && Object.hasOwn(COMMANDS, wanted);
  for (const [name, load] of Object.entries(COMMANDS)) {
    if (isOne && name !== wanted) program.command(name);
    else (await load())(program);
  }
}
