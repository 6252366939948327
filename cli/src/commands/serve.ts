import { createHash } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { MANIFEST_PATH, readImage } from '@rowfs/image';
import {
  announceServer,
  createRegistryNode,
  createResolver,
  deletePermittedData,
  keptVersion,
  RegistryError,
  type RegistryNode,
} from '@rowfs/registry';
import { type Command, Option } from 'commander';
import { applianceOf, type CommandContext, commandContext } from '../command-context.ts';
import { CliError, lineOf } from '../errors.ts';
import { graceOption, keepOption, leaseOption } from '../gc-options.ts';
import { type ExportOptions, openExport, type OpenExport } from '../open-export.ts';
import { type HostPort, listenOption, parseDuration, parseSize, wholeNumber } from '../options.ts';
import { startOperatorsRest } from '../operators-rest.ts';
import prettyBytes from 'pretty-bytes';
import { checkDeletable, deleteDirectory, finishDeletion } from '../retired-data.ts';
import { type ScheduledGcOptions, startScheduledGc } from '../scheduled-gc.ts';
import { anonymousOption, squashOption } from '../squash-options.ts';
import { startRenewal } from '../renewal.ts';
import { stopSignal } from '../stop-signal.ts';

interface ServeOptions extends ExportOptions, ScheduledGcOptions {
  readonly appliance?: string;
  readonly version?: string;
  readonly advertise?: string;
  readonly ttl: number;
  readonly rest: HostPort;
  readonly deleteRetired: boolean;
}

interface Ready {
  readonly directory: string;
  readonly host: string;
  readonly port: number;
  readonly mountPort: number;
  readonly path: string;
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
    .option(
      '--delete-retired',
      "delete the directory once the publisher's gc let the version go and nobody uses it",
      false,
    )
    .addOption(
      new Option(
        '--gc-every <duration>',
        'run gc for the appliance, which must be yours, so often',
      ).argParser(parseDuration),
    )
    .addOption(
      new Option(
        '--gc-below <size>',
        'run it, without grace, while the disk of the directory has less than this free',
      ).argParser(parseSize),
    )
    .addOption(keepOption('--gc-keep <count>'))
    .addOption(graceOption('--gc-grace <duration>'))
    .option('--gc-pin <version...>', 'versions that its gc never lets go', [])
    .addOption(leaseOption('--gc-lease <duration>'))
    .addOption(listenOption('--rest', "where operators' REST listens when announcing", 0))
    .addHelpText(
      'after',
      `
A tree that rowfs image build has described carries its manifest: clients verify all that they read of it. As a
server of a version that was published with a manifest it is only announced if it has that one;
rowfs image verify tells whether its files are as the manifest says.

With --delete-retired the directory is deleted, and this command ends, when the publisher's signed record says so
and no lease of the version is live: see docs/gc.md. It is the whole DIRECTORY that goes.

Examples:
  $ rowfs serve /srv/debian-12.5
  $ rowfs serve /srv/debian-12.5 --listen 0.0.0.0:2049 --advertise 10.0.0.5 \\
      --appliance debian@12D3KooW... --version 12.5
  $ rowfs serve /srv/debian-12.5 --appliance debian --version 12.5 --delete-retired --gc-every 6h --gc-below 20G`,
    )
    .action(async (directory: string, options: ServeOptions, command: Command) => {
      const context = commandContext(command);
      const announced = announcedVersion(options);
      const stopped = stopSignal();
      const root = await realpath(directory).catch(() => directory);
      if (options.deleteRetired) {
        checkDeletable(root, [context.state, context.cache]);
        await finishDeletion(root);
      }
      const served = await openExport(context, directory, options);
      try {
        if (announced === undefined) {
          context.output.result(readyOf(directory, served), () => linesOf(directory, served));
          await stopped;
        } else {
          await serveVersion({ context, directory, root, options, served, stopped, ...announced });
        }
      } finally {
        await served.close();
      }
    });
}

/** @throws CliError BAD_USAGE */
function announcedVersion({
  appliance,
  version,
  ...options
}: ServeOptions): { readonly appliance: string; readonly version: string } | undefined {
  if (appliance !== undefined && version !== undefined) return { appliance, version };
  if (appliance !== undefined || version !== undefined) {
    throw new CliError('BAD_USAGE', '--appliance and --version go together');
  }
  const orphan = [
    ['--delete-retired', options.deleteRetired],
    ['--gc-every', options.gcEvery !== undefined],
    ['--gc-below', options.gcBelow !== undefined],
  ].find(([, isGiven]) => isGiven === true);
  if (orphan === undefined) return undefined;
  throw new CliError('BAD_USAGE', `${String(orphan[0])} wants --appliance and --version`);
}

function readyOf(directory: string, { host, port, mountPort }: OpenExport): Ready {
  return { directory, host, port, mountPort, path: '/' };
}

const linesOf = (directory: string, { host, port }: OpenExport): string =>
  `serving ${directory} read-only at ${host}:${port}:/\nCtrl-C ends it.`;

interface ServedVersion {
  readonly context: CommandContext;
  readonly directory: string;
  /** The directory without symbolic links. */
  readonly root: string;
  readonly options: ServeOptions;
  readonly served: OpenExport;
  readonly appliance: string;
  readonly version: string;
  readonly stopped: Promise<unknown>;
}

async function serveVersion(init: ServedVersion): Promise<void> {
  const { context, directory, root, options, served, version, stopped } = init;
  const appliance = await applianceOf(context, init.appliance);
  const node = await createRegistryNode({
    dataDir: join(context.state, 'serve', nameOf(root)),
    listen: [],
    bootstrap: context.registry,
    mode: 'client',
    allowOffline: true,
    ...(await context.node()),
  });
  try {
    await checkPublished(node, { appliance, version, directory });
    const collecting = await startScheduledGc(context, node, appliance, root, options);
    const rest = await startOperatorsRest(context, 'serve', { node, at: options.rest });
    const deletion = deletionOf(init, node, appliance);
    const renewal = startRenewal(context, node);
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
        onDeletable: deletion.begin,
      });
      const announced = announcement.acknowledgedAt !== undefined;
      context.output.result(
        { ...readyOf(directory, served), appliance, version, announced, rest: rest.url },
        () =>
          linesOf(directory, served).replace(
            '\n',
            announced
              ? `\nannounced as a server of ${appliance} ${version}\n`
              : `\nnot announced yet as a server of ${appliance} ${version}: no registry answers, trying on\n`,
          ),
      );
      await Promise.race([stopped, deletion.done]);
      const freedBytes = await deletion.settled();
      if (freedBytes === undefined) {
        await announcement.withdraw();
      } else {
        await announcement.withdrawDeleted(freedBytes);
        context.output.result(
          { appliance, version, deleted: directory, freedBytes },
          () => `deleted ${directory}: ${prettyBytes(freedBytes, { binary: true })} freed`,
        );
      }
    } finally {
      await renewal.stop();
      await collecting?.stop();
      await rest.close();
    }
  } finally {
    await node.close();
  }
}

/** The deletion of a retired version's data, tried whenever the publisher's record is seen to permit it. */
function deletionOf(
  { context, root, options, served, version }: ServedVersion,
  node: RegistryNode,
  appliance: string,
): {
  readonly begin: () => void;
  /** Resolves when the data is gone; never otherwise. */
  readonly done: Promise<undefined>;
  /** What was freed, if anything, once nothing is under way. */
  readonly settled: () => Promise<number | undefined>;
} {
  const { logger } = context;
  const done = Promise.withResolvers<undefined>();
  let attempt: Promise<number | undefined> | undefined;
  const remove = async (): Promise<number | undefined> => {
    try {
      const freedBytes = await deletePermittedData(
        node,
        { appliance, version },
        {
          suspend: served.suspend,
          resume: served.resume,
          delete: () => deleteDirectory(root),
        },
      );
      if (freedBytes !== undefined) {
        done.resolve(undefined);
        return freedBytes;
      }
      logger.info(
        { appliance, version },
        'may be deleted, but is in use or cannot be known not to be',
      );
    } catch (error) {
      logger.error({ appliance, version, reason: lineOf(error) }, 'not deleted');
    }
    attempt = undefined;
    return undefined;
  };
  return {
    begin() {
      if (options.deleteRetired) attempt ??= remove();
      else logger.warn({ appliance, version }, 'nobody uses this version: its data may be deleted');
    },
    done: done.promise,
    settled: async () => attempt,
  };
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
  await readImage(join(directory, MANIFEST_PATH), { digest: manifest.digest }).catch(
    (error: unknown) => {
      throw new CliError(
        'ANOTHER_IMAGE',
        `this is not ${appliance} ${version} as it was published: ${lineOf(error)}`,
        { cause: error },
      );
    },
  );
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
function nameOf(root: string): string {
  return createHash('sha256').update(root).digest('hex').slice(0, 16);
}
