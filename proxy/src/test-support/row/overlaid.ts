import assert from 'node:assert/strict';
import { link, mkdir, mkdtemp, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createLocalDirectory,
  type Filehandle,
  type LocalDirectory,
  Mountstat3,
  type Nfs3Context,
  type Nfs3Service,
} from '@rowfs/nfs3';
import { redirectOnWrite } from '../../row/layer.ts';
import { openShadow, type Shadow } from '../../shadow/shadow.ts';
import type { SpaceLimits } from '../../shadow/space.ts';

/** A small image with what is hard: hard links, nested directories, files that end inside a block. */
export async function makeImage(): Promise<string> {
  const image = await mkdtemp(join(tmpdir(), 'rowfs-image-'));
  const bytes = (length: number, seed: number): Buffer =>
    Buffer.from(Array.from({ length }, (_, i) => 1 + ((i * seed) % 255)));
  await mkdir(join(image, 'dir/sub'), { recursive: true });
  await writeFile(join(image, 'a'), bytes(10_000, 7));
  await writeFile(join(image, 'b'), bytes(5, 3));
  await writeFile(join(image, 'dir/c'), bytes(8192, 11));
  await writeFile(join(image, 'dir/sub/d'), '');
  await link(join(image, 'a'), join(image, 'dir/h'));
  await symlink('dir/c', join(image, 's'));
  return image;
}

export const asRoot: Nfs3Context = {
  credential: { flavor: 'sys', stamp: 0, machinename: 'test', uid: 0, gid: 0, gids: [] },
  signal: new AbortController().signal,
  peer: { address: '127.0.0.1', port: 1 },
};

/** An image with an open shadow over it. */
export class Overlaid {
  readonly service: Nfs3Service;
  readonly root: Filehandle;
  readonly shadow: Shadow;
  readonly #lower: LocalDirectory;

  static async open(image: string, directory: string, limits: SpaceLimits = {}): Promise<Overlaid> {
    const lower = await createLocalDirectory({ root: image, access: 'read-only' });
    const shadow = await openShadow({ directory, belongsTo: {}, limits });
    const service = redirectOnWrite(shadow)(lower);
    const mounted = await service.mount('/', asRoot);
    assert.ok(mounted.status === Mountstat3.OK);
    return new Overlaid(lower, shadow, service, mounted.handle);
  }

  private constructor(
    lower: LocalDirectory,
    shadow: Shadow,
    service: Nfs3Service,
    root: Filehandle,
  ) {
    this.#lower = lower;
    this.shadow = shadow;
    this.service = service;
    this.root = root;
  }

  async close(): Promise<void> {
    await this.shadow.close();
    await this.#lower.close();
  }
}
