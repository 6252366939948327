import Table from 'cli-table3';
import type { Writable } from 'node:stream';

/** What a command found: an object for scripts, or lines for people, on standard output. */
export interface Output {
  /** Prints `value` as one line of JSON under --json, and otherwise what `lines` makes of it. */
  result<T>(value: T, lines: (value: T) => string): void;
  /** Something on the way that a person wants to see; not printed under --json. */
  note(line: string): void;
}

export function createOutput(stream: Writable, json: boolean): Output {
  return {
    result(value, lines) {
      stream.write(json ? `${JSON.stringify(value, jsonValue)}\n` : `${lines(value)}\n`);
    },
    note(line) {
      if (!json) stream.write(`${line}\n`);
    },
  };
}

/** 64-bit integers become strings, as JSON has no room for them. */
function jsonValue(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}

/** A table without borders, for people. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const borders = Object.fromEntries(
    ['top', 'bottom', 'left', 'right', 'mid'].flatMap((side) => [
      [side, ''],
      [`${side}-mid`, ''],
      [`${side}-left`, ''],
      [`${side}-right`, ''],
    ]),
  );
  const made = new Table({
    head: [...head],
    chars: { ...borders, middle: '  ' },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  made.push(...rows.map((row) => [...row]));
  return made.toString().replaceAll(/ +$/gm, '');
}
