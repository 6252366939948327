import { join } from 'node:path';
import { createRegistryNode } from '@rowfs/registry';
import { type Command, Option } from 'commander';
import { commandContext } from '../command-context.ts';
import { DEFAULT_REGISTRY_PORT, type HostPort, listenOption } from '../options.ts';
import { startRenewal } from '../renewal.ts';
import { restOnDemand } from '../rest-on-demand.ts';
import { stopSignal } from '../stop-signal.ts';

interface NodeOptions {
  readonly listen: readonly string[];
  readonly announce?: readonly string[];
  readonly alone: boolean;
  readonly rest: HostPort;
}

export function addNodeCommand(program: Command): void {
  program
    .command('node')
    .description('run a registry node; one alone is a complete registry')
    .addOption(
      new Option('--listen <multiaddr...>', 'where other nodes reach it').default([
        `/ip4/127.0.0.1/tcp/${DEFAULT_REGISTRY_PORT}`,
      ]),
    )
    .option('--announce <multiaddr...>', 'addresses to tell others, if not those listened on')
    .option('--alone', 'start a new network: join none through --registry', false)
    .addOption(listenOption('--rest', "where operators' REST listens", DEFAULT_REGISTRY_PORT + 1))
    .addHelpText(
      'after',
      `
Examples:
  $ rowfs node --alone                                   the first node, on this machine
  $ rowfs node --listen /ip4/10.0.0.2/tcp/4711 --registry /ip4/10.0.0.1/tcp/4711`,
    )
    .action(async (options: NodeOptions, command: Command) => {
      const context = commandContext(command);
      const stopped = stopSignal();
      const node = await createRegistryNode({
        dataDir: join(context.state, 'node'),
        listen: options.listen,
        ...(options.announce === undefined ? {} : { announce: options.announce }),
        bootstrap: options.alone ? [] : context.registry,
        mode: 'server',
        ...(await context.node()),
      });
      try {
        const rest = await restOnDemand(context, 'node', {
          node: () => Promise.resolve(node),
          at: options.rest,
          sessions: () => Promise.resolve([]),
        });
        const renewal = startRenewal(context, node);
        try {
          const ready = { peerId: node.peerId, addresses: node.addresses(), rest: rest.url };
          context.output.result(ready, ({ peerId, addresses, rest: url }) =>
            [
              `registry node ${peerId}`,
              ...addresses.map((address) => `  reached at  ${address}`),
              `  operators   ${url}/docs`,
              'Ctrl-C ends it.',
            ].join('\n'),
          );
          await stopped;
        } finally {
          await renewal.stop();
          await rest.close();
        }
      } finally {
        await node.close();
      }
    });
}
