/**
 * The fresh process after a crash: opens each shadow, reads every client's tree and prints what it
 * saw as JSON, or the error. Told to, it then removes everything, to see whether contents stay.
 */
import { dataFiles, openOverlay } from './overlay.ts';
import type { SeenTree } from './operation.ts';

export interface ReaderTask {
  readonly lower: string;
  readonly shadows: readonly string[];
  readonly empty: boolean;
}

export interface Seen {
  /** In the order of the clients. */
  readonly trees: readonly SeenTree[];
  readonly verifier: string;
  /** Sparse files that stay when every file is removed; none when nothing was removed. */
  readonly leftBehind: readonly string[];
}

async function read(lower: string, shadow: string, empty: boolean): Promise<Seen> {
  const overlay = await openOverlay({ lower, shadow });
  const trees = await Promise.all(overlay.clients.map((client) => client.readTree()));
  if (empty) {
    await Promise.all(
      overlay.clients.map(async (client, index) => {
        // The deepest first.
        for (const [path, { type }] of Object.entries(trees[index] ?? {}).reverse()) {
          await client.perform({ kind: type === 'directory' ? 'rmdir' : 'remove', path });
        }
      }),
    );
  }
  await overlay.close();
  return { trees, verifier: overlay.verifier, leftBehind: empty ? dataFiles(shadow) : [] };
}

const { lower, shadows, empty } = JSON.parse(process.argv[2] ?? '') as ReaderTask;
const seen: (Seen | string)[] = [];
for (const shadow of shadows) {
  seen.push(await read(lower, shadow, empty).catch((error: unknown) => String(error)));
}
process.stdout.write(JSON.stringify(seen));
