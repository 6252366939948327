import { createHash } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { MANIFEST_PATH, readImage } from '@rowfs/image';
import { createLocalDirectory, listenNfs3, squash, stack } from '@rowfs/nfs3';
import {
  announceServer,
  createRegistryNode,
  createResolver,
  keptVersion,
  RegistryError,
  type RegistryNode,
} from '@rowfs/registry';
import { type Command, Option } from 'commander';
import { applianceOf, type CommandContext, commandContext } from '../command-context.ts';
import { CliError, lineOf, listenError } from '../errors.ts';
import { type HostPort, listenOption, parseDuration, wholeNumber } from '../options.ts';
import { startOperatorsRest } from '../operators-rest.ts';
import {
  anonymousOption,
  type SquashCommandOptions,
  squashOf,
  squashOption,
} from '../squash-options.ts';
import { stopSignal } from '../stop-signal.ts';

interface ServeOptions extends SquashCommandOptions {
  readonly listen: HostPort;
  readonly portmap?: number;
  readonly appliance?: string;
  readonly version?: string;
  readonly advertise?: string;
  readonly ttl: number;
  readonly rest: HostPort;
}

interface Served {
  readonly host: string;
  readonly port: number;
  readonly mountPort: number;
}

export function addServeCommand(program: Command): void {
  program
    .command('serve')
    .description('serve a directory read-only over NFSv3, and announce it to the registry')
    .argument('<directory>', 'the root of the image')
    .addOption(
      listenOption('--listen', 'where clients reach it; NFS and MOUNT share the port', 2049),
    )
    .addOption(
      new Option(
        '--portmap <port>',
        'answer as a portmapper too, for clients that cannot be told ports: they ask 111',
      ).argParser(wholeNumber(0)),
    )
    .addOption(squashOption("not root's by default: proxies read files that only root may read"))
    .addOption(anonymousOption())
    .option('--appliance <appliance>', 'announce it as a server of this appliance')
    .option('--version <version>', 'and of this version')
    .option('--advertise <host>', 'the host that is announced, if not the one listened on')
    .addOption(
      new Option('--ttl <duration>', 'how long the announcement outlives this process')
        .argParser(parseDuration)
        .default(600, '10m'),
    )
    .addOption(listenOption('--rest', "where operators' REST listens when announcing", 0))
    .addHelpText(
      'after',
      `
A tree that rowfs image build has described carries its manifest: clients verify all that they read of it. As a
server of a version that was published with a manifest it is only announced if it has that one;
rowfs image verify tells whether its files are as the manifest says.

Examples:
  $ rowfs serve /srv/debian-12.5
  $ rowfs serve /srv/debian-12.5 --listen 0.0.0.0:2049 --advertise 10.0.0.5 \\
      --appliance debian@12D3KooW... --version 12.5`,
    )
    .action(async (directory: string, options: ServeOptions, command: Command) => {
      const context = commandContext(command);
      if ((options.appliance === undefined) !== (options.version === undefined)) {
        throw new CliError('BAD_USAGE', '--appliance and --version go together');
      }
      const stopped = stopSignal();
      const service = await createLocalDirectory({ root: directory, access: 'read-only' });
      try {
        const listener = await listenNfs3({
          service: stack(service, squash(squashOf(options))),
          ...options.listen,
          ...(options.portmap === undefined ? {} : { portmapPort: options.portmap }),
          logger: context.logger,
        }).catch((error: unknown) => {
          throw listenError(error, options.listen);
        });
        try {
          await announced(context, directory, options, listener, stopped);
        } finally {
          await listener.close();
        }
      } finally {
        await service.close();
      }
    });
}

async function announced(
  context: CommandContext,
  directory: string,
  options: ServeOptions,
  served: Served,
  stopped: Promise<unknown>,
): Promise<void> {
  const { appliance: text, version } = options;
  const ready = {
    directory,
    host: served.host,
    port: served.port,
    mountPort: served.mountPort,
    path: '/',
  };
  const lines = `serving ${directory} read-only at ${served.host}:${served.port}:/\nCtrl-C ends it.`;
  if (text === undefined || version === undefined) {
    context.output.result(ready, () => lines);
    await stopped;
    return;
  }
  const appliance = await applianceOf(context, text);
  const node = await createRegistryNode({
    dataDir: join(context.state, 'serve', await nameOf(directory)),
    listen: [],
    bootstrap: context.registry,
    mode: 'client',
    allowOffline: true,
    ...context.node,
  });
  try {
    await checkPublished(node, { appliance, version, directory });
    const rest = await startOperatorsRest(context, 'serve', { node, at: options.rest });
    try {
      const announcement = await announceServer(node, {
        appliance,
        version,
        address: {
          host: advertisedHost(options),
          port: served.port,
          exportPath: '/',
        },
        holdings: 'full',
        load: () => 0,
        ttlSeconds: options.ttl,
        onRetired: () =>
          context.logger.warn(
            { appliance, version },
            'the publisher keeps this version no more: nothing uses it, and its data may be deleted',
          ),
      });
      try {
        const announced = announcement.acknowledgedAt !== undefined;
        context.output.result({ ...ready, appliance, version, announced, rest: rest.url }, () =>
          lines.replace(
            '\n',
            announced
              ? `\nannounced as a server of ${appliance} ${version}\n`
              : `\nnot announced yet as a server of ${appliance} ${version}: no registry answers, trying on\n`,
          ),
        );
        await stopped;
      } finally {
        await announcement.withdraw();
      }
    } finally {
      await rest.close();
    }
  } finally {
    await node.close();
  }
}

/**
 * Nothing is announced as a version that it is not. What was not published yet, or cannot be asked for now,
 * may become that version.
 *
 * @throws CliError ANOTHER_IMAGE
 */
async function checkPublished(
  node: RegistryNode,
  {
    appliance,
    version,
    directory,
  }: { readonly appliance: string; readonly version: string; readonly directory: string },
): Promise<void> {
  const known = await createResolver(node)
    .latest(appliance)
    .catch((error: unknown) => {
      if (error instanceof RegistryError) return undefined;
      throw error;
    });
  const manifest = known && keptVersion(known.latest, version)?.manifest;
  if (manifest === undefined || manifest === null) return;
  await readImage(join(directory, MANIFEST_PATH), { digest: manifest }).catch((error: unknown) => {
    throw new CliError(
      'ANOTHER_IMAGE',
      `this is not ${appliance} ${version} as it was published: ${lineOf(error)}`,
      { cause: error },
    );
  });
}

function advertisedHost({ advertise, listen }: ServeOptions): string {
  if (advertise !== undefined) return advertise;
  if (listen.host === '0.0.0.0' || listen.host === '::') {
    throw new CliError(
      'BAD_USAGE',
      `nobody can connect to ${listen.host}: say with --advertise which host to announce`,
    );
  }
  return listen.host;
}

/** Where the identity of a directory's server is kept: restarted, it speaks for the same entry. */
async function nameOf(directory: string): Promise<string> {
  return createHash('sha256')
    .update(await realpath(directory))
    .digest('hex')
    .slice(0, 16);
}
