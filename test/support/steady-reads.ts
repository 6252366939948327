/** A loop in a guest that goes on reading what it has not read yet: where it stalls, the guest would. */
import assert from 'node:assert/strict';
import { type Dirent, readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Guest } from './guest.ts';
import { Random } from './random.ts';

const PAUSE_SECONDS = 0.2;
/** One READ each. */
const MAX_FILE_BYTES = 64 * 1024;
/** Longer than any test takes that uses it. */
const LOOP_TIMEOUT_MS = 900_000;

const loop = (paths: readonly string[]): string => `
mkdir /run/reads && cd /run/reads && : >times
cat >unread <<'END'
${paths.join('\n')}
END
exec bash -eu <<'END'
while [ ! -e stop ]; do
  read -r path
  cat "$path" >/dev/null
  echo "$EPOCHREALTIME" >>times
  sleep ${PAUSE_SECONDS}
done <unread
END
`;

/** The longest time between two reads, and what is usual. */
export interface Stall {
  readonly longestMs: number;
  readonly usualMs: number;
}

export class SteadyReads {
  readonly #guest: Guest;
  readonly #ended: Promise<unknown>;

  private constructor(guest: Guest, ended: Promise<unknown>) {
    this.#guest = guest;
    this.#ended = ended;
    ended.catch(() => undefined);
  }

  /** @param tree what the guest's root is, before it changed anything */
  static start(guest: Guest, tree: string): SteadyReads {
    const paths = oneOfEachDirectory(tree);
    return new SteadyReads(guest, guest.run(loop(paths), { timeoutMs: LOOP_TIMEOUT_MS }));
  }

  /** How long the guest did not get to read while `act` ran, and up to its first read after that. */
  async stallDuring(act: () => Promise<unknown>): Promise<Stall> {
    const before = await this.#readsAfter(1);
    await act();
    const begun = (await this.#times()).length;
    const after = await this.#readsAfter(begun);
    const gaps = after.slice(1).map((time, index) => time - (after[index] ?? time));
    const usualMs = gaps.toSorted((a, b) => a - b)[Math.floor(gaps.length / 2)] ?? 0;
    return { longestMs: Math.max(...gaps.slice(before.length - 1)), usualMs };
  }

  /** Resolves when all that was read was read without an error. */
  async stop(): Promise<void> {
    await this.#guest.run('touch /run/reads/stop');
    await this.#ended;
  }

  /** The times of all reads by the guest's clock, in ms, as soon as there are more than `count`. */
  async #readsAfter(count: number): Promise<number[]> {
    for (;;) {
      const times = await this.#times();
      if (times.length > count) return times;
      const end = await Promise.race([this.#ended.then(() => 'end'), pause(100)]);
      assert.notEqual(end, 'end', 'the guest has read all there was');
    }
  }

  async #times(): Promise<number[]> {
    const { stdout } = await this.#guest.run('cat /run/reads/times', { timeoutMs: 240_000 });
    return stdout
      .split('\n')
      .filter(Boolean)
      .map((seconds) => Number(seconds) * 1000);
  }
}

/** Files that nothing else foretells: whoever reads two of one directory is given the others ahead. */
function oneOfEachDirectory(tree: string): string[] {
  const paths: string[] = [];
  const visit = (directory: string): void => {
    const entries: Dirent[] = readdirSync(directory, { withFileTypes: true });
    for (const entry of entries) if (entry.isDirectory()) visit(join(directory, entry.name));
    const file = entries.find((entry) => entry.isFile() && isSmall(join(directory, entry.name)));
    if (file !== undefined) paths.push(`/${relative(tree, join(directory, file.name))}`);
  };
  visit(join(tree, 'usr'));
  return shuffled(paths);
}

function shuffled(paths: readonly string[]): string[] {
  const random = new Random(1);
  return paths
    .map((path) => ({ path, at: random.uint32() }))
    .sort((a, b) => a.at - b.at)
    .map(({ path }) => path);
}

function isSmall(path: string): boolean {
  const { size } = statSync(path);
  return size > 0 && size <= MAX_FILE_BYTES;
}
