/**
 * What a process did to the files of one directory, from its system calls as strace writes them
 * down: the write log from which the disk after a power cut is made.
 */

import { basename } from 'node:path';

/** When a call began and ended, as lines of the log; Infinity for one that never ended. */
export interface Span {
  readonly begin: number;
  readonly end: number;
}

export type FileEvent = Span &
  (
    | {
        readonly kind: 'write';
        readonly path: string;
        readonly offset: number;
        readonly data: Buffer;
        /** Through a descriptor with O_DSYNC: durable when the call ends. */
        readonly synchronous: boolean;
      }
    | { readonly kind: 'truncate'; readonly path: string; readonly size: number }
    | { readonly kind: 'create'; readonly path: string; readonly directory: boolean }
    | { readonly kind: 'unlink'; readonly path: string }
    | { readonly kind: 'rename'; readonly path: string; readonly to: string }
    | { readonly kind: 'sync'; readonly path: string }
    | { readonly kind: 'output'; readonly text: string }
  );

/** strace of all that can change a file; `-D` leaves the traced process the direct child. */
export function straceCommand(logFile: string): [string, ...string[]] {
  const calls = [...HANDLED, ...REFUSED].join(',');
  const format = ['-qq', '-xx', '-y', '-s', '2097152'];
  return [
    'strace',
    '-D',
    '-f',
    ...format,
    '-e',
    `trace=${calls}`,
    '-e',
    'signal=none',
    '-o',
    logFile,
  ];
}

const HANDLED = [
  ...['openat', 'lseek', 'write', 'writev', 'pwrite64', 'pwritev', 'ftruncate'],
  ...['fsync', 'fdatasync', 'unlink', 'mkdir', 'rmdir', 'rename'],
] as const;
/** Calls that nobody makes here today; when somebody does, this file has to learn them. */
const REFUSED = [
  ...['open', 'creat', 'truncate', 'fallocate', 'pwritev2', 'copy_file_range', 'sendfile'],
  ...['unlinkat', 'renameat', 'renameat2', 'link', 'linkat', 'mkdirat', 'mmap', 'msync'],
  ...['io_uring_enter'],
] as const;

/** Locks mean nothing after a crash: ours names a process that is gone, lmdb makes its own anew. */
export function isLock(path: string): boolean {
  return /^lock(?:\.|$)/.test(basename(path));
}

const STDOUT = 1;
/** A killed call even says `) = ?` after it. */
const UNFINISHED = / <unfinished \.\.\.>(?:\) += \?)?$/;

/**
 * Reads a log, as far as it is about `directory`; paths are relative to it. `isIgnored` says which
 * of them do not matter after a power cut, and may be changed in any way.
 */
export function readSystemCalls(
  log: string,
  directory: string,
  isIgnored: (path: string) => boolean,
): FileEvent[] {
  const reader = new LogReader(directory, isIgnored);
  for (const [index, line] of log.split('\n').entries()) reader.readLine(line, index);
  return reader.finish();
}

class LogReader {
  readonly #directory: string;
  readonly #isIgnored: (path: string) => boolean;
  readonly #events: FileEvent[] = [];
  /** By thread, the call that has begun and not ended. */
  readonly #unfinished = new Map<string, { begin: number; call: string }>();
  readonly #synchronous = new Set<string>();
  readonly #positions = new Map<string, number>();

  constructor(directory: string, isIgnored: (path: string) => boolean) {
    this.#directory = directory;
    this.#isIgnored = isIgnored;
  }

  readLine(line: string, index: number): void {
    const groups = /^(?<thread>\d+) +(?:<\.\.\. \w+ resumed>)?(?<text>.*)$/s.exec(line)?.groups;
    const { thread = '', text = '' } = groups ?? {};
    // Signals and ends are told between the calls.
    if (thread === '' || /^(?:---|\+\+\+)/.test(text)) return;
    const started = this.#unfinished.get(thread);
    const isResumed = line.includes(' resumed>');
    const call = (isResumed ? (started?.call ?? '') + text : text).replace(UNFINISHED, '');
    const begin = isResumed ? (started?.begin ?? index) : index;
    if (UNFINISHED.test(text)) {
      this.#unfinished.set(thread, { begin, call });
    } else {
      this.#unfinished.delete(thread);
      this.#readCall(call, { begin, end: index });
    }
  }

  finish(): FileEvent[] {
    // Killed in the middle of it: nobody knows how much was done.
    for (const { begin, call } of this.#unfinished.values()) {
      this.#readCall(call, { begin, end: Infinity });
    }
    return this.#events.toSorted((a, b) => a.begin - b.begin);
  }

  #readCall(call: string, span: Span): void {
    const groups = /^(?<name>\w+)\((?<args>.*?)(?:\) += (?<result>-?\d+|\?|0x).*)?$/s.exec(
      call,
    )?.groups;
    const { name = '', args = '', result } = groups ?? {};
    if (name === '' || result?.startsWith('-') === true) return;
    const [descriptor, rest] = descriptorOf(args);
    const quoted = stringsIn(args);
    if (name === 'openat') return this.#opened(quoted[0] ?? '', args, result, span);
    if (name === 'write' && descriptor?.number === STDOUT) {
      this.#events.push({ kind: 'output', text: (quoted[0] ?? '').toString('utf8'), ...span });
      return;
    }
    const path = this.#inside(descriptor?.path ?? (quoted[0] ?? '').toString('utf8'));
    if (path === undefined) return;
    const key = `${descriptor?.number ?? ''}`;
    const lastNumber = Number(/(?<number>\d+)$/.exec(args)?.groups?.['number']);
    const write = (offset: number): void => {
      const data = Buffer.concat(quoted);
      const synchronous = this.#synchronous.has(key);
      this.#events.push({ kind: 'write', path, offset, data, synchronous, ...span });
    };
    switch (name) {
      case 'pwrite64':
      case 'pwritev':
        return write(lastNumber);
      case 'write':
      case 'writev': {
        const offset = this.#positions.get(key);
        if (offset === undefined) throw new Error(`${name} to ${path} at an unknown position`);
        this.#positions.set(key, offset + Number(result ?? 0));
        return write(offset);
      }
      case 'lseek':
        return void this.#positions.set(key, Number(result));
      case 'ftruncate':
        return void this.#events.push({ kind: 'truncate', path, size: lastNumber, ...span });
      case 'fsync':
      case 'fdatasync':
        return void this.#events.push({ kind: 'sync', path, ...span });
      case 'mkdir':
        return void this.#events.push({ kind: 'create', path, directory: true, ...span });
      case 'unlink':
      case 'rmdir':
        return void this.#events.push({ kind: 'unlink', path, ...span });
      case 'rename': {
        const to = this.#inside((quoted[1] ?? '').toString('utf8'));
        if (to === undefined) throw new Error(`${path} is renamed out of sight`);
        return void this.#events.push({ kind: 'rename', path, to, ...span });
      }
      case 'mmap':
        if (!rest.includes('PROT_WRITE') && !args.includes('PROT_WRITE')) return;
        throw new Error(`${path} is written through memory, which no log shows`);
      default:
        throw new Error(`${name} of ${path} is not understood`);
    }
  }

  #opened(name: Buffer | string, args: string, result: string | undefined, span: Span): void {
    const path = this.#inside(name.toString('utf8'));
    const key = result ?? '';
    this.#synchronous.delete(key);
    this.#positions.set(key, 0);
    if (path === undefined) return;
    if (/O_D?SYNC/.test(args)) this.#synchronous.add(key);
    if (args.includes('O_TRUNC')) this.#events.push({ kind: 'truncate', path, size: 0, ...span });
    if (args.includes('O_CREAT')) {
      this.#events.push({ kind: 'create', path, directory: false, ...span });
    }
  }

  /** The directory itself is ''. */
  #inside(path: string): string | undefined {
    if (path === this.#directory) return '';
    if (!path.startsWith(`${this.#directory}/`)) return undefined;
    const relative = path.slice(this.#directory.length + 1);
    return this.#isIgnored(relative) ? undefined : relative;
  }
}

/** `23</path>, ...`: the descriptor with what it is open on, and what follows. */
function descriptorOf(args: string): [{ number: number; path: string } | undefined, string] {
  // mmap has it in the fifth place.
  const match = /^(?:(?!AT_FDCWD)[^"<]*, )?(?<number>\d+)<(?<path>[^>]*)>/.exec(args);
  const { number, path } = match?.groups ?? {};
  if (match === null || number === undefined || path === undefined) return [undefined, args];
  const descriptor = {
    number: Number(number),
    path: unescape(path)
      .toString('utf8')
      .replace(/ \(deleted\)$/, ''),
  };
  return [descriptor, args.slice(match[0].length)];
}

function stringsIn(args: string): Buffer[] {
  return [...args.matchAll(/"(?<hex>[^"]*)"/g)].map(({ groups }) =>
    unescape(groups?.['hex'] ?? ''),
  );
}

/** `\x2f\x74`: every byte is written so under -xx; what is not (`pipe:[7]`) stands for itself. */
function unescape(text: string): Buffer {
  return text.includes('\\x')
    ? Buffer.from(text.replaceAll('\\x', ''), 'hex')
    : Buffer.from(text, 'utf8');
}
