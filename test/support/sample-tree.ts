/**
 * A small directory tree with everything that has ever broken a file server: odd sizes, deep paths,
 * links of both kinds, holes, names of every sort, special files and modes. The same seed makes the
 * same tree. Running as root it also gives files to other owners.
 */
import {
  chmod,
  chown,
  link,
  lstat,
  lutimes,
  mkdir,
  open,
  readdir,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { execa } from 'execa';

export type SampleTreeOptions = {
  readonly seed: number;
  /** Files of random size (up to 64 KiB) at random depth, beside the fixed odd ones. */
  readonly randomFiles?: number;
};

/** Around the sizes where pages, blocks and transfers begin and end. */
const ODD_SIZES = [
  0, 1, 511, 4_095, 4_096, 4_097, 32_768, 65_537, 131_072, 1_048_577, 3_145_733,
] as const;

/** Bytes as latin1. No name holds a newline: the tools of a small guest list one name a line. */
const ODD_NAMES = [
  ' leading and trailing ',
  '-rf',
  '.hidden',
  'back\\slash',
  'glob*?[a]',
  'quotes\'"`$(x)',
  'tab\there',
  'UPPER',
  'upper',
  Buffer.from('naïve café ☕ 日本語').toString('latin1'),
  // The same letter, composed and decomposed: two names.
  Buffer.from('\u00e9').toString('latin1'),
  Buffer.from('e\u0301').toString('latin1'),
  'not utf-8 \xff\xfe\x80',
  'x'.repeat(255),
  '\xe9'.repeat(255),
] as const;

const HOLE_BYTES = 5 * 1024 * 1024;
const MANY = 300;
const EPOCH_SECONDS = 1_000_000_000;

/** Fills `directory`, which must exist and be empty. */
export async function makeSampleTree(
  directory: string,
  { seed, randomFiles = 60 }: SampleTreeOptions,
): Promise<void> {
  const random = new SeededRandom(seed);
  const at = (path: string): string => `${directory}/${path}`;

  await mkdir(at('sizes'));
  for (const size of ODD_SIZES) await writeFile(at(`sizes/${size} bytes`), random.bytes(size));

  await mkdir(at('names'));
  for (const name of ODD_NAMES) await writeFile(bytes(at('names/'), name), random.bytes(20));
  await mkdir(bytes(at('names/'), 'directory \xff'));
  await writeFile(bytes(at('names/'), 'directory \xff/inside'), 'inside');

  await mkdir(at('many'));
  for (let i = 0; i < MANY; i++) await writeFile(at(`many/${i}`), String(i));

  await makeLinks(at);
  await makeSparseFile(at('sparse'), random);
  await makeSpecialFiles(at);
  await makeRandomFiles(at, random, randomFiles);
  await setTimes(Buffer.from(directory), random);
}

async function makeLinks(at: (path: string) => string): Promise<void> {
  await mkdir(at('links/elsewhere'), { recursive: true });
  await writeFile(at('links/one'), 'three names, one file');
  await link(at('links/one'), at('links/two'));
  await link(at('links/one'), at('links/elsewhere/three'));
  await symlink('one', at('links/to a file'));
  await symlink('../links/elsewhere', at('links/to a directory'));
  await symlink('/etc/passwd', at('links/out of the tree'));
  await symlink('nowhere', at('links/dangling'));
  await symlink('loop', at('links/loop'));
  await symlink(bytes('', 'to \xff bytes'), at('links/to bytes'));
  await symlink('far/'.repeat(250), at('links/long'));
}

async function makeSparseFile(path: string, random: SeededRandom): Promise<void> {
  const file = await open(path, 'w');
  await file.write(random.bytes(5_000), 0, 5_000, 0);
  await file.write(random.bytes(5_000), 0, 5_000, HOLE_BYTES);
  await file.truncate(HOLE_BYTES + HOLE_BYTES);
  await file.close();
}

async function makeSpecialFiles(at: (path: string) => string): Promise<void> {
  await mkdir(at('special/empty directory'), { recursive: true });
  await execa('mkfifo', [at('special/fifo')]);
  for (const mode of [0o000, 0o400, 0o644, 0o755, 0o4755, 0o2755]) {
    const file = at(`special/mode ${mode.toString(8)}`);
    await writeFile(file, mode.toString(8));
    if (process.getuid?.() === 0 && mode === 0o400) await chown(file, 1000, 100);
    await chmod(file, mode);
  }
  await mkdir(at('special/sticky'));
  await chmod(at('special/sticky'), 0o1777);
  await mkdir(at('special/set group'));
  await chmod(at('special/set group'), 0o2755);
}

async function makeRandomFiles(
  at: (path: string) => string,
  random: SeededRandom,
  count: number,
): Promise<void> {
  for (let i = 0; i < count; i++) {
    const depth = random.below(6);
    const parents = Array.from({ length: depth }, () => `level-${random.below(3)}`);
    const parent = at(['random', ...parents].join('/'));
    await mkdir(parent, { recursive: true });
    await writeFile(`${parent}/file-${i}`, random.bytes(random.below(65_536)));
  }
}

/** Gives every file a time of its own in the past, children before parents. */
async function setTimes(path: Buffer, random: SeededRandom): Promise<void> {
  if ((await lstat(path)).isDirectory()) {
    const names = await readdir(path, { encoding: 'buffer' });
    for (const name of names.sort((a, b) => a.compare(b))) {
      await setTimes(Buffer.concat([path, Buffer.from('/'), name]), random);
    }
  }
  const time = EPOCH_SECONDS + random.below(500_000_000);
  await lutimes(path, time, time);
}

function bytes(directory: string, name: string): Buffer {
  return Buffer.concat([Buffer.from(directory), Buffer.from(name, 'latin1')]);
}

/** mulberry32: small, and the same on every machine. */
class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  /** A whole number from 0 up to, not including, `limit`. */
  below(limit: number): number {
    return Math.floor((this.#next() / 2 ** 32) * limit);
  }

  bytes(length: number): Buffer {
    const buffer = Buffer.alloc(length);
    for (let i = 0; i < length; i++) buffer[i] = this.#next() & 0xff;
    return buffer;
  }
}
