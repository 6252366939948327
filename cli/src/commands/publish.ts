import { BOOT_PROFILE_PATH, type Image, MANIFEST_PATH } from '@rowfs/image';
import { serverOpener, verifyServer } from '@rowfs/proxy';
import {
  createPublisher,
  formatServerAddress,
  loadOrCreateKey,
  parseServerAddress,
  type PublishedFile,
  type ServerAddress,
} from '@rowfs/registry';
import { type Command, Option } from 'commander';
import { type CommandContext, commandContext, withRegistry } from '../command-context.ts';
import { CliError } from '../errors.ts';
import { type CommonOptions, parseDuration, RepeatableOption } from '../options.ts';
import { loadPublisherKey, publisherKeyPath } from '../publisher-key.ts';
import { progressBar } from '../progress-bar.ts';
import {
  blocksToVerify,
  imageOfServers,
  inHex,
  profileOfServers,
  publishedManifest,
} from '../published-image.ts';
import { imageServer } from '../registry-fit.ts';
import { sameTree, verifyExport } from '../verify-export.ts';

interface PublishOptions {
  readonly version: string;
  readonly server: readonly ServerAddress[];
  readonly channel?: readonly string[];
  readonly validFor: number;
  /** False: --no-manifest. */
  readonly manifest?: string | false;
  readonly profile?: string;
  readonly verifyAll: boolean;
}

export function addPublishCommand(program: Command): void {
  program
    .command('publish')
    .description('announce a version of your appliance, after checking that its servers have it')
    .argument('<name>', 'the NAME of your appliance')
    .requiredOption('--version <version>', 'the version to announce')
    .addOption(
      new RepeatableOption(
        '--server <address>',
        'an NFSv3 server that has it: host[:port[,mountport]]:/path; repeat for more',
        parseServerAddress,
      ).makeOptionMandatory(),
    )
    .option(
      '--manifest <file>',
      `the manifest that servers must have (default: what the first one has at ${MANIFEST_PATH})`,
    )
    .option('--no-manifest', 'plain NFS exports, of which nobody can verify a byte')
    .option(
      '--profile <file>',
      `the boot profile that servers have at ${BOOT_PROFILE_PATH} (default: as the first one has it)`,
    )
    .option('--verify-all', 'read every block of every server, and not only some', false)
    .option('--channel <channel...>', 'channels to move to it (default: stable)')
    .addOption(
      new Option('--valid-for <duration>', 'how long readers take the record for fresh')
        .argParser(parseDuration)
        .default(30 * 86_400, '30d'),
    )
    .addHelpText(
      'after',
      `
Each server is mounted and read before anything is announced: it must have the manifest of the image, as
rowfs image build leaves it in the tree, and blocks that are read at random must be right. Digest and size
of the manifest are signed with the version, and clients take nothing from a server that does not fit.
A version is one image for ever: what changed is another version.

A boot profile says what to fetch ahead. Each proxy records one in its --cache, boot-profiles/DIGEST;
copied to ${BOOT_PROFILE_PATH} of the servers' trees, it is published with the version, also by
publishing again.

The servers are announced first and read back through the registry, and only then the version. Running it
again goes on where it was interrupted, or refreshes what is there; a server that is not named again
is withdrawn.

Machines run the channel stable unless they are told another one: with --channel beta only those hear of
the new version that ask for beta, until rowfs channel set moves stable too.

Examples:
  $ rowfs image build /srv/debian
  $ rowfs publish debian --version 12.5 --server nfs1.example:/srv/debian --server nfs2.example:/srv/debian`,
    )
    .action(async (name: string, options: PublishOptions, command: Command) => {
      const context = commandContext(command);
      await loadOrCreateKey(publisherKeyPath(context));
      const { key, mandate } = await loadPublisherKey(context);
      await withRegistry(context, async (node) => {
        const image = await checkedImage(context, options);
        const bootProfile = image && (await profileOf(context, options, image));
        const publisher = createPublisher({
          node,
          key,
          mandate,
          stateDir: context.state,
          verifyServer:
            image === undefined
              ? verifyExport
              : blockVerifier(context, image, command.opts<PublishOptions & CommonOptions>()),
        });
        const report = await publisher.publish({
          name,
          version: options.version,
          servers: options.server,
          manifest: image === undefined ? null : publishedManifest(image),
          ...(bootProfile === undefined ? {} : { bootProfile }),
          ...(options.channel === undefined ? {} : { channels: options.channel }),
          validForSeconds: options.validFor,
        });
        context.output.result(
          {
            ...report,
            manifest: image === undefined ? null : inHex(publishedManifest(image)),
            bootProfile: bootProfile === undefined ? null : inHex(bootProfile),
          },
          ({ appliance, version, servers, withdrawn, holders, replicas, refreshed, ...more }) =>
            [
              `${refreshed ? 'refreshed' : 'published'} ${appliance}`,
              `version ${version}, held by ${holders} of ${replicas} registry nodes`,
              `  image ${more.manifest?.digest ?? 'without a manifest: nobody can verify it'}`,
              ...(more.bootProfile === null ? [] : [`  boot profile ${more.bootProfile.digest}`]),
              ...servers.map((server) => `  from ${server}`),
              ...withdrawn.map((server) => `  no longer from ${server}`),
            ].join('\n'),
        );
      });
    });
}

/** The image that all servers have; undefined when they are plain exports, which then all show the same tree. */
async function checkedImage(
  { logger }: CommandContext,
  { manifest, server: servers }: PublishOptions,
): Promise<Image | undefined> {
  if (manifest !== false)
    return imageOfServers({ servers: servers.map(imageServer), manifest, logger });
  const odd = await sameTree(servers);
  if (odd === undefined) return undefined;
  throw new CliError(
    'DIFFERENT_TREES',
    `${formatServerAddress(odd.server)} serves another tree than the first server: ${odd.difference}`,
  );
}

/** The boot profile that is to be published; undefined to leave it as it is. */
function profileOf(
  { logger }: CommandContext,
  { profile, server: servers }: PublishOptions,
  image: Image,
): Promise<PublishedFile | undefined> {
  return profileOfServers({ servers: servers.map(imageServer), profile, image, logger });
}

/** Reads blocks of each server, and refuses it for the first that is not as the image says. */
function blockVerifier(
  { logger }: CommandContext,
  image: Image,
  { verifyAll, server: servers, json }: PublishOptions & CommonOptions,
): (server: ServerAddress) => Promise<void> {
  const blocks = blocksToVerify(image, verifyAll);
  const total = servers.length * blocks.length * image.blockSize;
  const bar = progressBar('verifying', !json);
  let verified = 0;
  let left = servers.length;
  return async (server) => {
    try {
      await verifyServer({
        image,
        server: imageServer(server),
        openServer: serverOpener(logger),
        blocks,
        logger,
        onProgress: () => {
          verified += image.blockSize;
          bar.update({ done: verified, total });
        },
      });
    } finally {
      left -= 1;
      if (left === 0) bar.end();
    }
  };
}
