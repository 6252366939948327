/**
 * The fresh process after a crash: opens each shadow, reads every client's tree and prints what it
 * saw as JSON, or the error. Told to, it then removes everything, to see whether contents stay.
 */
import { fsck, type Problem, ShadowError } from '@rowfs/proxy';
import { dataFiles, openOverlay } from './overlay.ts';
import type { Operation, SeenTree } from './operation.ts';
import type { TreeClient } from './tree-client.ts';

export interface ReaderTask {
  readonly lower: string;
  /** The directories of the clients. */
  readonly directories: readonly string[];
  readonly shadows: readonly ShadowToRead[];
  readonly empty: boolean;
}

export interface ShadowToRead {
  readonly shadow: string;
  /** Files that an exclusive CREATE makes, in the first client's tree. */
  readonly exclusive?: readonly string[];
  /** What the first client sends again, for it was not answered. */
  readonly unanswered?: readonly UnansweredCall[];
}

export interface UnansweredCall {
  readonly operation: Operation;
  readonly requestKey: string;
}

/** What came of calls that were sent again. */
export interface ReSent {
  /** Of the object at each one's path; null, as JSON has it, where it is not known. */
  readonly handles: readonly (string | null)[];
  readonly tree: SeenTree;
}

export interface Seen {
  /** In the order of the clients, as their root handles are. */
  readonly trees: readonly SeenTree[];
  readonly roots: readonly string[];
  readonly verifier: string;
  /** Handle of a file that was made after all was read. */
  readonly newHandle: string | undefined;
  /** Of the files that an exclusive CREATE makes, those that are there but do not answer to it again. */
  readonly unclaimed: readonly string[];
  /** Done after all that is told above; undefined when nothing was to be sent again. */
  readonly reSent: ReSent | string | undefined;
  /** Sparse files that belong to nothing; looked for when all was removed, or else none. */
  readonly leftBehind: readonly string[];
  /** What `fsck` finds before, but for what the next start clears away, and afterwards. */
  readonly problems: readonly string[];
}

async function problemsIn(shadow: string): Promise<Problem[]> {
  try {
    return await fsck(shadow);
  } catch (error) {
    // Cut off while it was made: it is not there yet.
    if (error instanceof ShadowError && error.code === 'SHADOW_UNUSABLE') return [];
    throw error;
  }
}

async function read(task: ReaderTask, toRead: ShadowToRead): Promise<Seen> {
  const { shadow, exclusive = [], unanswered = [] } = toRead;
  const { lower, directories, empty } = task;
  const before = (await problemsIn(shadow)).filter(({ leftover }) => !leftover);
  const overlay = await openOverlay({ lower, shadow }, directories);
  const { clients } = overlay;
  const trees = await Promise.all(clients.map((client) => client.readTree()));
  const [first] = clients;
  const there = exclusive.filter((path) => trees[0]?.[path] !== undefined);
  const unclaimed: string[] = [];
  for (const path of there)
    if (first && !(await first.isExclusivelyMade(path))) unclaimed.push(path);
  let reSent: ReSent | string | undefined;
  let left = trees;
  if (first && unanswered.length > 0) {
    reSent = await sendAgain(first, unanswered).catch((error: unknown) => String(error));
    left = await Promise.all(clients.map((client) => client.readTree()));
  }
  let newHandle: string | undefined;
  if (empty) {
    const probe = { path: 'made-afterwards' } as const;
    newHandle = await first?.perform({ kind: 'create', how: 'guarded', ...probe });
    await first?.perform({ kind: 'remove', ...probe });
    await Promise.all(clients.map((client, index) => removeAll(client, left[index] ?? {})));
  }
  await overlay.close();
  const problems = [...before, ...(await problemsIn(shadow))];
  return {
    trees,
    roots: clients.map(({ rootHandle }) => rootHandle),
    verifier: overlay.verifier(),
    newHandle,
    unclaimed,
    reSent,
    leftBehind: empty ? dataFiles(shadow) : [],
    problems: problems.map(({ code, what }) => `${code}: ${what}`),
  };
}

async function sendAgain(
  client: TreeClient,
  unanswered: readonly UnansweredCall[],
): Promise<ReSent> {
  const handles: (string | null)[] = [];
  for (const { operation, requestKey } of unanswered)
    handles.push((await client.perform(operation, requestKey)) ?? null);
  return { handles, tree: await client.readTree() };
}

async function removeAll(client: TreeClient, tree: SeenTree): Promise<void> {
  // The deepest first.
  for (const [path, { type }] of Object.entries(tree).reverse()) {
    await client.perform({ kind: type === 'directory' ? 'rmdir' : 'remove', path });
  }
}

const task = JSON.parse(process.argv[2] ?? '') as ReaderTask;
const seen: (Seen | string)[] = [];
for (const each of task.shadows) {
  seen.push(await read(task, each).catch((error: unknown) => String(error)));
}
process.stdout.write(JSON.stringify(seen));
