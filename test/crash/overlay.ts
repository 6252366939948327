import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createLocalDirectory, Mountstat3, stack } from '@rowfs/nfs3';
import { openShadow, redirectOnWrite } from '@rowfs/proxy';
import { asRoot, TreeClient } from './tree-client.ts';

/** Where the parts of one run are. */
export interface Places {
  /** The image: a local directory, which nobody may change. */
  readonly lower: string;
  readonly shadow: string;
}

/** Clients that change the tree at the same time, each in a directory of its own. */
export const CLIENTS = ['client-0', 'client-1', 'client-2', 'client-3'] as const;

export interface OpenOverlay {
  /** One for each directory that was asked for. */
  readonly clients: readonly TreeClient[];
  /** writeverf3, which is another one after each start. */
  verifier(): string;
  close(): Promise<void>;
}

/** Opens the shadow over the image, as a proxy that starts, for clients of `directories`. */
export async function openOverlay(
  { lower: root, shadow: directory }: Places,
  directories: readonly string[],
): Promise<OpenOverlay> {
  const lower = await createLocalDirectory({ root, access: 'read-only' });
  const shadow = await openShadow({ directory, belongsTo: { appliance: 'crash' } });
  const service = stack(lower, redirectOnWrite(shadow));
  const clients: TreeClient[] = [];
  for (const name of directories) {
    const mounted = await service.mount(`/${name}`, asRoot);
    if (mounted.status !== Mountstat3.OK) throw new Error(`/${name} cannot be mounted`);
    clients.push(new TreeClient(service, mounted.handle));
  }
  return {
    clients,
    verifier: () => shadow.verifier.toString(16),
    async close() {
      await shadow.close();
      await lower.close();
    },
  };
}

/** The sparse files of a shadow. */
export function dataFiles(shadow: string): string[] {
  const entries = readdirSync(join(shadow, 'data'), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}
