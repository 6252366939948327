import { StableHow } from '@rowfs/nfs3';

/** A name in an object that should be a directory. */
export interface Place {
  readonly dir: number;
  readonly name: string;
}

/** Attributes to be set; times are seconds since 1970, always both. */
export interface Wanted {
  readonly mode?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly size?: number | undefined;
  readonly times?: 'server-time' | { readonly atime: number; readonly mtime: number } | undefined;
}

export type SpecialKind = 'fifo' | 'socket' | 'character device' | 'block device';

/** What a client asks for. Objects are numbers: in the order in which they came to be known. */
export type Operation =
  | { readonly type: 'lookup'; readonly where: Place }
  | { readonly type: 'access'; readonly object: number }
  | { readonly type: 'readlink'; readonly object: number }
  | {
      readonly type: 'read';
      readonly object: number;
      readonly offset: number;
      readonly count: number;
    }
  | {
      readonly type: 'write';
      readonly object: number;
      readonly offset: number;
      readonly length: number;
      /** Every byte that is written. */
      readonly fill: number;
      readonly stable: StableHow;
    }
  | { readonly type: 'commit'; readonly object: number }
  | {
      readonly type: 'create';
      readonly where: Place;
      readonly how: 'unchecked' | 'guarded';
      readonly mode: number;
      readonly size?: number | undefined;
      readonly gid?: number | undefined;
    }
  | { readonly type: 'create exclusive'; readonly where: Place; readonly verf: number }
  | { readonly type: 'mkdir'; readonly where: Place; readonly mode: number }
  | { readonly type: 'symlink'; readonly where: Place; readonly target: string }
  | {
      readonly type: 'mknod';
      readonly where: Place;
      readonly kind: SpecialKind;
      readonly mode: number;
    }
  | { readonly type: 'remove'; readonly where: Place }
  | { readonly type: 'rmdir'; readonly where: Place }
  | { readonly type: 'rename'; readonly where: Place; readonly to: Place }
  | { readonly type: 'link'; readonly object: number; readonly where: Place }
  | {
      readonly type: 'setattr';
      readonly object: number;
      readonly wanted: Wanted;
      readonly guard: 'none' | 'right' | 'wrong';
    }
  | {
      readonly type: 'list';
      readonly object: number;
      readonly plus: boolean;
      readonly pageBytes: number;
    }
  | {
      readonly type: 'about the file system';
      readonly object: number;
      readonly procedure: 'fsstat' | 'fsinfo' | 'pathconf';
    };

/** What befalls the connection of a client during one operation. */
export type Loss = 'the call is lost' | 'the reply is lost' | 'it is cut while the call runs';

/** What happens to the proxy between operations. */
export type Disturbance =
  'restart of the proxy' | 'kill of the proxy' | 'next call to the image server is lost';

export type Step =
  | { readonly disturbance: Disturbance }
  | {
      readonly operation: Operation;
      /** Which of the callers. */
      readonly caller: number;
      readonly loss: Loss | undefined;
    };

/** An operation for people; `pathOf` tells what an object is called by now. */
export function inWords(operation: Operation, pathOf: (object: number) => string): string {
  const at = ({ dir, name }: Place): string => `${pathOf(dir)}/${printable(name)}`;
  switch (operation.type) {
    case 'lookup':
    case 'remove':
    case 'rmdir':
      return `${operation.type} ${at(operation.where)}`;
    case 'access':
    case 'readlink':
    case 'commit':
      return `${operation.type} ${pathOf(operation.object)}`;
    case 'read':
      return `read ${operation.count} bytes at ${operation.offset} of ${pathOf(operation.object)}`;
    case 'write': {
      const { offset, length, fill, stable } = operation;
      const how = Object.entries(StableHow).find(([, value]) => value === stable)?.[0] ?? '';
      return `write ${length} x ${fill} at ${offset} of ${pathOf(operation.object)}, ${how}`;
    }
    case 'create': {
      const { how, mode, size, gid } = operation;
      const sized = size === undefined ? '' : ` of ${size} bytes`;
      const grouped = gid === undefined ? '' : ` for group ${gid}`;
      return `create ${at(operation.where)} ${how}, mode ${octal(mode)}${sized}${grouped}`;
    }
    case 'create exclusive':
      return `create ${at(operation.where)} exclusive, verifier ${operation.verf}`;
    case 'mkdir':
      return `mkdir ${at(operation.where)} mode ${octal(operation.mode)}`;
    case 'symlink':
      return `symlink ${at(operation.where)} -> ${operation.target}`;
    case 'mknod':
      return `mknod ${at(operation.where)} a ${operation.kind}, mode ${octal(operation.mode)}`;
    case 'rename':
      return `rename ${at(operation.where)} to ${at(operation.to)}`;
    case 'link':
      return `link ${at(operation.where)} to ${pathOf(operation.object)}`;
    case 'setattr': {
      const { mode, uid, gid, size, times } = operation.wanted;
      const wanted = { ...(mode !== undefined && { mode: octal(mode) }), uid, gid, size, times };
      const guarded = operation.guard === 'none' ? '' : ` if ctime is the ${operation.guard} one`;
      return `setattr ${pathOf(operation.object)} ${JSON.stringify(wanted)}${guarded}`;
    }
    case 'list': {
      const { plus, pageBytes } = operation;
      const procedure = plus ? 'readdirplus' : 'readdir';
      return `${procedure} ${pathOf(operation.object)} in pages of ${pageBytes} bytes`;
    }
    case 'about the file system':
      return `${operation.procedure} of ${pathOf(operation.object)}`;
  }
}

/** A name as it can be shown: long runs shortened, bytes that are no ASCII escaped. */
export function printable(name: string): string {
  const short = name.replace(/(.)\1{15,}/gs, (run, char: string) => `${char}(x${run.length})`);
  return short.replace(
    /[^ -~]/g,
    (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}
