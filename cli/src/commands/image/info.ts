import { FileType, FORMAT_VERSION, type Image, readImage } from '@rowfs/image';
import type { Command } from 'commander';
import prettyBytes from 'pretty-bytes';
import { commandContext } from '../../command-context.ts';
import { typeName } from '../../image-names.ts';

export function addImageInfoCommand(image: Command): void {
  image
    .command('info')
    .description("an image's digest, and what it holds")
    .argument('<manifest>', "a manifest's file, or the directory that it is in")
    .addHelpText('after', '\nExample:\n  $ rowfs image info /srv/debian-12.5/.rowfs/manifest')
    .action(async (manifest: string, _options: object, command: Command) => {
      const { output } = commandContext(command);
      const image = await readImage(manifest);
      const info = describe(image);
      output.result(info, () =>
        [
          `digest      ${info.digest}`,
          `format      ${info.format}, blocks of ${prettyBytes(info.blockSize, { binary: true })}`,
          `manifest    ${prettyBytes(info.manifestBytes)}`,
          `files       ${Object.entries(info.types)
            .map(([type, count]) => `${count} ${type}`)
            .join(', ')}`,
          `hard links  ${info.hardLinks} names beyond the first`,
          `attributes  ${info.withXattrs} files have extended ones`,
          `content     ${prettyBytes(info.contentBytes)}, of which ${prettyBytes(info.zeroBytes)} zero`,
          `blocks      ${info.blocks}, ${info.distinctBlocks} of them distinct (${prettyBytes(info.distinctBytes)})`,
        ].join('\n'),
      );
    });
}

function describe(image: Image) {
  const types: Record<string, number> = {};
  let contentBytes = 0;
  let storedBytes = 0;
  let hardLinks = 0;
  let withXattrs = 0;
  for (let fileid = image.root; fileid <= image.inodeCount; fileid += 1) {
    const { type, size, nlink } = image.attributes(fileid);
    types[typeName(type)] = (types[typeName(type)] ?? 0) + 1;
    if (type === FileType.REG) contentBytes += size;
    if (type !== FileType.DIR) hardLinks += nlink - 1;
    if (image.xattrs(fileid).length > 0) withXattrs += 1;
  }
  const distinct = new Map<string, number>();
  for (let number = 0; number < image.blockCount; number += 1) {
    const { length } = image.storedBlock(number);
    storedBytes += length;
    distinct.set(image.digests(number, 1).toString('latin1'), length);
  }
  return {
    digest: image.digest.toString('hex'),
    format: FORMAT_VERSION,
    blockSize: image.blockSize,
    manifestBytes: image.bytes.length,
    inodes: image.inodeCount,
    types,
    hardLinks,
    withXattrs,
    contentBytes,
    zeroBytes: contentBytes - storedBytes,
    blocks: image.blockCount,
    distinctBlocks: distinct.size,
    distinctBytes: [...distinct.values()].reduce((sum, length) => sum + length, 0),
  };
}
