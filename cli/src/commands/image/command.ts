import type { Command } from 'commander';
import { addImageBuildCommand } from './build.ts';
import { addImageDiffCommand } from './diff.ts';
import { addImageInfoCommand } from './info.ts';
import { addImageLsCommand } from './ls.ts';
import { addImageVerifyCommand } from './verify.ts';

export function addImageCommand(program: Command): void {
  const image = program
    .command('image')
    .description('build, look into, compare and verify images: manifests of trees, block by block')
    .addHelpText(
      'after',
      `
A manifest names every file of a tree with its attributes, and the digest of each of its blocks. Its
own digest stands for all of it.

Examples:
  $ rowfs image build /srv/debian-12.5                  writes /srv/debian-12.5/.rowfs/manifest
  $ rowfs image build disk.qcow2 -o disk.manifest       a disk image, served as one big file
  $ rowfs image diff old.manifest new.manifest          what an update changed`,
    );
  addImageBuildCommand(image);
  addImageVerifyCommand(image);
  addImageDiffCommand(image);
  addImageLsCommand(image);
  addImageInfoCommand(image);
}
