/**
 * Does the operations of each row on its shadow, one row after the other, and tells on standard output
 * what a client was told: `ROW opened ROOT-HANDLE VERIFIER`, `ROW CLIENT HANDLE` for each operation, and
 * `ROW closed - VERIFIER`. Told to prepare, it does what comes before, and tells nothing.
 */
import { writeSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MATRIX } from './matrix-rows.ts';
import { requestKey, type SeenTree } from './operation.ts';
import { openOverlay } from './overlay.ts';

export interface MatrixWriterTask {
  readonly lower: string;
  /** Each row's shadow is `<rows>/<number of the row>/shadow`. */
  readonly rows: string;
  readonly prepare: boolean;
}

/** Told by preparing: what each row begins with. */
export type PreparedTrees = readonly SeenTree[];

const STDOUT = 1;
const task = JSON.parse(process.argv[2] ?? '') as MatrixWriterTask;
const prepared: SeenTree[] = [];

for (const [number, { before, clients }] of MATRIX.entries()) {
  const tell = (...words: readonly string[]): void => {
    // At once: what stands in a buffer of this process would die with it.
    if (!task.prepare) writeSync(STDOUT, `${number} ${words.join(' ')}\n`);
  };
  // A row that makes its shadow has none yet: what the image looks like is read through another.
  const place = task.prepare && before === undefined ? 'image' : String(number);
  const shadow = join(task.rows, place, 'shadow');
  const overlay = await openOverlay({ lower: task.lower, shadow }, ['']);
  const [client] = overlay.clients;
  if (client === undefined) throw new Error('nothing was mounted');
  // In the order in which all do: a file of two names is known to this lower by the one it saw first.
  if (!task.prepare) await client.readTree();
  tell('opened', client.rootHandle, overlay.verifier());
  const scripts = task.prepare ? [before ?? []] : clients;
  await Promise.all(
    scripts.map(async (operations, index) => {
      for (const [done, operation] of operations.entries()) {
        // What was done to prepare is answered, and its calls are others than these.
        const key = task.prepare ? undefined : requestKey(index, done);
        const handle = await client.perform(operation, key);
        tell(String(index), handle ?? '-');
      }
    }),
  );
  if (task.prepare) prepared.push(await client.readTree());
  await overlay.close();
  tell('closed', '-', overlay.verifier());
  // Of a node that never was: its number is far above all that are given.
  if (task.prepare) await writeFile(join(shadow, 'data/3f/ffffff'), 'an orphan');
}
if (task.prepare) process.stdout.write(JSON.stringify(prepared));
