import { FileType, type Image, readImage } from '@rowfs/image';
import { printableName } from '@rowfs/proxy';
import type { Command } from 'commander';
import { commandContext } from '../../command-context.ts';
import { fileAt, modeText, printablePath, typeName } from '../../image-names.ts';
import { table } from '../../output.ts';

export function addImageLsCommand(image: Command): void {
  image
    .command('ls')
    .description('the files of an image, from its manifest alone')
    .argument('<manifest>', "a manifest's file, or the directory that it is in")
    .argument('[path]', 'a file or a directory in it', '/')
    .option('-r, --recursive', 'directories with all that is in them', false)
    .addHelpText('after', '\nExample:\n  $ rowfs image ls debian.manifest /etc')
    .action(
      async (manifest: string, path: string, options: { recursive: boolean }, command: Command) => {
        const { output } = commandContext(command);
        const image = await readImage(manifest);
        const { fileid, names } = fileAt(image, path);
        const files = [...list(image, fileid, names, options.recursive)];
        output.result({ files }, () =>
          table(
            [],
            files.map((file) => [
              file.modeText,
              String(file.nlink),
              String(file.uid),
              String(file.gid),
              file.device ?? String(file.size),
              file.mtime,
              file.target === undefined ? file.path : `${file.path} -> ${file.target}`,
            ]),
          ),
        );
      },
    );
}

interface ListedFile {
  readonly path: string;
  readonly type: string;
  readonly modeText: string;
  readonly mode: string;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly used: number;
  readonly fileid: number;
  readonly mtime: string;
  readonly device: string | undefined;
  readonly target: string | undefined;
  readonly xattrs: Readonly<Record<string, string>>;
}

function* list(
  image: Image,
  fileid: number,
  names: readonly string[],
  recursive: boolean,
): Generator<ListedFile> {
  if (image.attributes(fileid).type !== FileType.DIR) {
    yield describe(image, fileid, names);
    return;
  }
  for (const entry of image.readdir(fileid)) {
    const path = [...names, entry.name];
    yield describe(image, entry.fileid, path);
    const isDirectory = image.attributes(entry.fileid).type === FileType.DIR;
    if (recursive && isDirectory) yield* list(image, entry.fileid, path, recursive);
  }
}

function describe(image: Image, fileid: number, names: readonly string[]): ListedFile {
  const { type, mode, nlink, uid, gid, size, used, rdev, mtime } = image.attributes(fileid);
  const isDevice = type === FileType.CHR || type === FileType.BLK;
  return {
    path: printablePath(names),
    type: typeName(type),
    modeText: modeText(type, mode),
    mode: mode.toString(8).padStart(4, '0'),
    nlink,
    uid,
    gid,
    size,
    used,
    fileid,
    mtime: timeText(mtime),
    device: isDevice ? `${rdev.specdata1}, ${rdev.specdata2}` : undefined,
    target: type === FileType.LNK ? printableName(image.readlink(fileid)) : undefined,
    xattrs: Object.fromEntries(
      image.xattrs(fileid).map(({ name, value }) => [name, Buffer.from(value).toString('base64')]),
    ),
  };
}

/** ISO 8601 to the nanosecond; seconds since 1970 where no calendar goes. */
function timeText({ seconds, nseconds }: { seconds: number; nseconds: number }): string {
  const fraction = nseconds === 0 ? '' : `.${String(nseconds).padStart(9, '0')}`;
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return `@${seconds}${fraction}`;
  return date.toISOString().replace('.000Z', `${fraction}Z`);
}
