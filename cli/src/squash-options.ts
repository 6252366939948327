import type { SquashOptions } from '@rowfs/nfs3';
import { InvalidArgumentError, Option } from 'commander';

/** What {@link squashOption} and {@link anonymousOption} give a command. */
export interface SquashCommandOptions {
  readonly squash: SquashOptions['squash'];
  readonly anon: { readonly uid: number; readonly gid: number };
}

const NOBODY = 65_534;
/** The highest number that is not -1, which means "unchanged" to chown(2). */
const MAX_ID = 0xffff_fffe;

export function squashOption(why: string): Option {
  return new Option('--squash <who>', `whose calls are made anonymous; ${why}`)
    .choices(['none', 'root', 'all'])
    .default('none');
}

export function anonymousOption(): Option {
  return new Option('--anon <uid:gid>', 'the anonymous user; who calls without AUTH_SYS is it too')
    .argParser(parseUidGid)
    .default({ uid: NOBODY, gid: NOBODY }, `${NOBODY}:${NOBODY}`);
}

/** What a command was told about squashing, for the layer. */
export function squashOf({ squash, anon: anonymous }: SquashCommandOptions): SquashOptions {
  return { squash, anonymous };
}

/** Parses `UID:GID`. */
export function parseUidGid(text: string): SquashCommandOptions['anon'] {
  const groups = /^(?<uid>\d{1,10}):(?<gid>\d{1,10})$/.exec(text)?.groups;
  const uid = Number(groups?.['uid']);
  const gid = Number(groups?.['gid']);
  if (!(uid <= MAX_ID && gid <= MAX_ID)) {
    throw new InvalidArgumentError('expected UID:GID, e.g. 65534:65534');
  }
  return { uid, gid };
}
