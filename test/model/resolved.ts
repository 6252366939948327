import type { DiskState } from './local-disk.ts';
import type { Operation, Place } from './operation.ts';

/** Of so many drawn numbers, the rest stands for objects that may be gone, or no directories. */
const LIVE_OF_1024 = 970;
/** Half of all changes of contents are of a few files, for bugs hide in what follows what. */
const FAVOURITES_OF_1024 = 512;
const FAVOURITES = 2;

/** The operation with numbers of objects that are there, most of them where they make sense. */
export function resolved(operation: Operation, state: DiskState): Operation {
  const all = [...state.keys()];
  const live = all.filter((object) => state[object] !== undefined);
  const directories = live.filter((object) => state[object]?.type === 'directory');
  const pick = (from: readonly number[], drawn: number): number => from[drawn % from.length] ?? 0;
  const object = (drawn: number): number => pick(drawn < LIVE_OF_1024 ? live : all, drawn);
  const files = live.filter((each) => state[each]?.type === 'file');
  const file = (drawn: number): number => {
    if (drawn < FAVOURITES_OF_1024) return pick(files.slice(0, FAVOURITES), drawn);
    return pick(drawn < LIVE_OF_1024 ? files : all, drawn);
  };
  const place = ({ dir, name }: Place): Place => ({
    dir: pick(dir < LIVE_OF_1024 ? directories : all, dir),
    name,
  });
  switch (operation.type) {
    case 'rename':
      return { ...operation, where: place(operation.where), to: place(operation.to) };
    case 'link':
      return { ...operation, object: object(operation.object), where: place(operation.where) };
    case 'setattr': {
      const isOfContents = operation.wanted.size !== undefined;
      const target = (isOfContents ? file : object)(operation.object);
      // Linux has no modes of symbolic links: nobody sets them.
      const isSymlink = state[target]?.type === 'symlink';
      const wanted = { ...operation.wanted, ...(isSymlink && { mode: undefined }) };
      return { ...operation, object: target, wanted };
    }
    case 'read':
    case 'write':
    case 'commit':
      return { ...operation, object: file(operation.object) };
    case 'access':
    case 'readlink':
    case 'list':
    case 'about the file system':
      return { ...operation, object: object(operation.object) };
    case 'lookup':
    case 'create':
    case 'create exclusive':
    case 'mkdir':
    case 'symlink':
    case 'mknod':
    case 'remove':
    case 'rmdir':
      return { ...operation, where: place(operation.where) };
  }
}
