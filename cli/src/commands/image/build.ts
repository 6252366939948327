import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { MANIFEST_PATH, readPrevious, saveImage, saveImageInTree } from '@rowfs/image';
import type { Initramfs } from '@rowfs/boot';
import { type Command, Option } from 'commander';
import prettyBytes from 'pretty-bytes';
import prettyMs from 'pretty-ms';
import { copyAppliance } from '../../appliance/copied-appliance.ts';
import { makeDebianAppliance } from '../../appliance/debian-appliance.ts';
import { commandContext } from '../../command-context.ts';
import { CliError, codeOf } from '../../errors.ts';
import { buildFrom, sourceKind } from '../../image-source.ts';
import type { CommonOptions } from '../../options.ts';
import { progressBar } from '../../progress-bar.ts';
import { stopSignal } from '../../stop-signal.ts';

interface BuildCommandOptions {
  readonly output: string | undefined;
  readonly previous: string | undefined;
  readonly debian: string | undefined;
  readonly packages?: readonly string[];
  readonly kernel: string | undefined;
  readonly initramfs: Initramfs | undefined;
  readonly from: string | undefined;
}

export function addImageBuildCommand(image: Command): void {
  image
    .command('build')
    .description(
      'make the manifest of a directory, a disk image, a tar archive or an OCI image layout',
    )
    .argument(
      '<source>',
      'a directory, an OCI image layout; a .tar, .tar.gz or .tgz archive; or any other file',
    )
    .option(
      '-o, --output <file>',
      `where the manifest goes (default: ${MANIFEST_PATH} in the directory)`,
    )
    .option(
      '--previous <file>',
      'an earlier manifest of the same directory: what nobody touched since is not read again (default: the one that is replaced)',
    )
    .option(
      '--debian <suite>',
      'first make a bootable Debian of this suite in <source>, an empty directory',
    )
    .option('--packages <names...>', 'with --debian: what is installed besides what boots')
    .option(
      '--kernel <package>',
      'with --debian: the package of the kernel (default: linux-image of this architecture)',
    )
    .addOption(
      new Option(
        '--initramfs <kind>',
        'with --debian: what makes the initrd (default: initramfs-tools)',
      ).choices(['initramfs-tools', 'dracut']),
    )
    .option(
      '--from <directory>',
      'first copy this root of a system that boots, e.g. /, into <source>, an empty directory',
    )
    .addHelpText(
      'after',
      `
Nothing may change in the directory while it is read. The same tree gives the same manifest on every
machine. Beside the manifest is a stat cache, which makes the next build quick; it may be deleted.
A name .rowfs in the root of a directory is left out: it is where the manifest travels.

Examples:
  $ rowfs image build /srv/debian-12.5
  $ rowfs image build /srv/debian-12.5 -o debian.manifest    where the directory may not be written
  $ rowfs image build disk.qcow2 -o disk.manifest            an image with one file, disk.qcow2
  $ rowfs image build /srv/rack-1 --debian bookworm --packages openssh-server
  $ rowfs image build /srv/rack-2 --from /                   of this machine, as it is
  $ rowfs image build rootfs.tar.gz -o rootfs.manifest       also an OCI image layout's directory`,
    )
    .action(async (source: string, options: BuildCommandOptions, command: Command) => {
      const { output } = commandContext(command);
      const started = performance.now();
      const interrupted = new AbortController();
      void stopSignal().then(() => interrupted.abort());
      await makeTree(source, options, interrupted.signal);
      const kind = await sourceKind(source);
      const target =
        options.output ?? (kind === 'directory' ? join(source, MANIFEST_PATH) : undefined);
      if (target === undefined) {
        throw new CliError('NO_OUTPUT', `say with --output where the manifest of ${source} goes`);
      }
      const previous = await previousOf(options.previous, target, kind === 'tar' || kind === 'oci');
      const bar = progressBar('reading', !command.opts<CommonOptions>().json);
      const built = await buildFrom(source, kind, {
        signal: interrupted.signal,
        onProgress: (progress) => bar.update(progress),
        ...(previous === undefined ? {} : { previous }),
      }).finally(() => bar.end());
      try {
        const { image, statCache } = built;
        if (options.output === undefined && statCache !== undefined) {
          await saveImageInTree(source, { image, statCache });
        } else {
          await saveImage(target, { image, statCache });
        }
      } catch (error) {
        throw new CliError(
          codeOf(error),
          `cannot write ${target}: ${codeOf(error)}; say with --output where else the manifest goes`,
          { cause: error },
        );
      }
      const { image, read, reused } = built;
      const result = {
        manifest: target,
        digest: image.digest.toString('hex'),
        manifestBytes: image.bytes.length,
        inodes: image.inodeCount,
        blocks: image.blockCount,
        read,
        reused,
        unchanged: previous?.image.digest.equals(image.digest) ?? false,
        milliseconds: Math.round(performance.now() - started),
      };
      output.result(result, () =>
        [
          `digest   ${result.digest}`,
          `manifest ${target} (${prettyBytes(image.bytes.length)}, ${image.inodeCount} files, ${image.blockCount} blocks)`,
          `read     ${read.files} files, ${prettyBytes(read.bytes)}, in ${prettyMs(result.milliseconds)}`,
          `reused   ${reused.files} files, ${prettyBytes(reused.bytes)}, that nobody touched since the last build`,
          ...(result.unchanged ? ['the tree is the same as it was'] : []),
        ].join('\n'),
      );
    });
}

async function makeTree(
  tree: string,
  { debian: suite, packages, kernel, initramfs, from }: BuildCommandOptions,
  signal: AbortSignal,
): Promise<void> {
  if (suite !== undefined && from !== undefined)
    throw new CliError('BAD_USAGE', 'give either --debian or --from');
  if (from !== undefined) await copyAppliance({ tree, from, signal });
  if (suite !== undefined) {
    const names = (packages ?? []).flatMap((each) => each.split(','));
    await makeDebianAppliance({
      ...{ tree, suite, packages: names, kernel, signal },
      initramfs: initramfs ?? 'initramfs-tools',
    });
  } else if ([packages, kernel, initramfs].some((each) => each !== undefined)) {
    throw new CliError('BAD_USAGE', '--packages, --kernel and --initramfs go with --debian');
  }
}

/** The manifest that was named, or the one that is going to be replaced when it can be of use. */
async function previousOf(
  named: string | undefined,
  target: string,
  isArchive: boolean,
): ReturnType<typeof readPrevious> {
  if (isArchive) {
    if (named === undefined) return undefined;
    throw new CliError('NO_PREVIOUS', 'an archive is always read whole: leave --previous away');
  }
  if (named !== undefined) {
    const found = await readPrevious(named);
    if (found !== undefined) return found;
    throw new CliError(
      'NO_PREVIOUS',
      `${named} has no stat cache of its own beside it, so nothing can be reused: leave --previous away`,
    );
  }
  // Whatever is there is going to be replaced, so it need not even be a manifest.
  return existsSync(target) ? readPrevious(target).catch(() => undefined) : undefined;
}
