/**
 * The fresh process after a crash: opens the shadow, reads every client's tree and prints what it
 * saw as JSON. Told to, it then removes everything, to see whether any contents stay behind.
 */
import { dataFiles, openOverlay, type Places } from './overlay.ts';
import type { SeenTree } from './operation.ts';

export interface ReaderTask extends Places {
  readonly empty: boolean;
}

export interface Seen {
  /** In the order of the clients. */
  readonly trees: readonly SeenTree[];
  readonly verifier: string;
  /** Sparse files that stay when every file is removed; undefined when none was. */
  readonly leftBehind: readonly string[] | undefined;
}

const task = JSON.parse(process.argv[2] ?? '') as ReaderTask;
const overlay = await openOverlay(task);
const trees = await Promise.all(overlay.clients.map((client) => client.readTree()));
if (task.empty) {
  for (const [index, client] of overlay.clients.entries()) {
    // The deepest first.
    for (const [path, { type }] of Object.entries(trees[index] ?? {}).reverse()) {
      await client.perform({ kind: type === 'directory' ? 'rmdir' : 'remove', path });
    }
  }
}
await overlay.close();
const { verifier } = overlay;
const leftBehind = task.empty ? dataFiles(task) : undefined;
const seen: Seen = { trees, verifier, leftBehind };
process.stdout.write(JSON.stringify(seen));
