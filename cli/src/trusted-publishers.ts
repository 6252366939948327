import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { CliError, lineOf } from './errors.ts';

/** A name that this user gave to a publisher's key. */
export interface TrustedPublisher {
  readonly name: string;
  /** The peer id in the ids of the publisher's appliances. */
  readonly key: string;
}

const NAME = /^[a-z][a-z0-9.-]{0,62}$/;

/** The publishers that this user trusts by name, in a file of the state directory. */
export async function trustedPublishers(state: string): Promise<TrustedPublisher[]> {
  let text: string;
  try {
    text = await readFile(trustFile(state), 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw new CliError('TRUST_UNREADABLE', `cannot read ${trustFile(state)}: ${lineOf(error)}`);
  }
  const entries = text.split('\n').filter((line) => line !== '');
  return Promise.all(
    entries.map(async (line) => {
      const [name = '', key = '', ...rest] = line.split(' ');
      if (rest.length > 0 || !NAME.test(name) || !(await isKey(key))) {
        throw new CliError(
          'TRUST_UNREADABLE',
          `${trustFile(state)}: expected 'NAME PEERID' in each line, not '${line}'`,
        );
      }
      return { name, key };
    }),
  );
}

/**
 * The publisher that `text` names: a peer id, or the name of a trusted one.
 *
 * @throws CliError UNKNOWN_PUBLISHER
 */
export async function trustedPublisher(state: string, text: string): Promise<string> {
  if (await isKey(text)) return text;
  const known = (await trustedPublishers(state)).find(({ name }) => name === text);
  if (known !== undefined) return known.key;
  throw new CliError(
    'UNKNOWN_PUBLISHER',
    `'${text}' is neither a publisher's key nor one that you trust under this name: rowfs trust add ${text} PEERID`,
  );
}

/**
 * Trusts `key` under `name`. A name stays with its key: for another one it must be removed first.
 *
 * @throws CliError BAD_USAGE, ANOTHER_KEY
 */
export async function trustPublisher(
  state: string,
  { name, key }: TrustedPublisher,
): Promise<void> {
  if (!NAME.test(name) || (await isKey(name))) {
    throw new CliError('BAD_USAGE', `'${name}' is no name: a-z, 0-9, '.' and '-', a letter first`);
  }
  if (!(await isKey(key))) throw new CliError('BAD_USAGE', `'${key}' is no publisher's key`);
  const known = await trustedPublishers(state);
  const held = known.find((each) => each.name === name);
  if (held !== undefined && held.key !== key) {
    throw new CliError(
      'ANOTHER_KEY',
      `${name} is trusted with the key ${held.key}, not ${key}: if you know that it has a new one, rowfs trust rm ${name} first`,
    );
  }
  if (held === undefined) await writeTrusted(state, [...known, { name, key }]);
}

/** @throws CliError UNKNOWN_PUBLISHER */
export async function distrustPublisher(state: string, name: string): Promise<void> {
  const known = await trustedPublishers(state);
  if (!known.some((each) => each.name === name)) {
    throw new CliError('UNKNOWN_PUBLISHER', `no publisher is trusted under the name '${name}'`);
  }
  await writeTrusted(
    state,
    known.filter((each) => each.name !== name),
  );
}

function trustFile(state: string): string {
  return join(state, 'trusted-publishers');
}

async function isKey(text: string): Promise<boolean> {
  const { isEd25519PeerId } = await import('@rowfs/registry');
  return isEd25519PeerId(text);
}

/** Whole and durable: written aside, synced, renamed. */
async function writeTrusted(state: string, publishers: readonly TrustedPublisher[]): Promise<void> {
  await mkdir(state, { recursive: true, mode: 0o700 });
  const path = trustFile(state);
  const temporary = `${path}.tmp`;
  const file = await open(temporary, 'w', 0o600);
  try {
    const sorted = [...publishers].sort((a, b) => (a.name < b.name ? -1 : 1));
    await file.writeFile(sorted.map(({ name, key }) => `${name} ${key}\n`).join(''));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}
