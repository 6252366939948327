import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import {
  createLocalDirectory,
  type LocalDirectory,
  Mountstat3,
  type Nfs3Layer,
  type ProcedureName,
  stack,
  statistics,
} from '@rowfs/nfs3';
import { callerContext, Client } from '@rowfs/nfs3-conformance';
import { redirectOnWrite } from '../../row/layer.ts';
import { openShadow, type Shadow } from '../../shadow/shadow.ts';

/** An overlay over an image of its own, for the test of one corner. */
export class Corner {
  readonly #lower: LocalDirectory;
  readonly #below: Nfs3Layer;
  readonly #directory: string;
  readonly #calls = statistics();
  #shadow: Shadow;
  #client: Client;

  /**
   * Ends with the test.
   *
   * @param populate makes the image, in an empty directory.
   * @param below what the overlay is to see of it.
   */
  static async open(
    t: TestContext,
    populate: (image: string) => Promise<unknown> = () => Promise.resolve(),
    below: Nfs3Layer = (lower) => lower,
  ): Promise<Corner> {
    const root = await mkdtemp(join(tmpdir(), 'rowfs-corner-'));
    const image = join(root, 'image');
    await mkdir(image);
    await populate(image);
    const lower = await createLocalDirectory({ root: image, access: 'read-only' });
    const directory = join(root, 'shadow');
    const shadow = await openShadow({ directory, belongsTo: {} });
    const corner = new Corner(lower, below, directory, shadow);
    t.after(async () => {
      await corner.#shadow.close();
      await lower.close();
      await rm(root, { recursive: true });
    });
    await corner.#mount();
    return corner;
  }

  private constructor(lower: LocalDirectory, below: Nfs3Layer, directory: string, shadow: Shadow) {
    this.#lower = lower;
    this.#below = below;
    this.#directory = directory;
    this.#shadow = shadow;
    this.#client = new Client(lower, new Uint8Array());
  }

  /** Root's view of the overlay. */
  get client(): Client {
    return this.#client;
  }

  /** What the contents in the shadow take of the disk, in bytes. */
  get contentBytes(): number {
    return this.#shadow.space.contentBytes;
  }

  /** Calls of a procedure that reached the image. */
  callsBelow(procedure: ProcedureName): number {
    return this.#calls.snapshot()[procedure].calls;
  }

  /** Closes the overlay and opens it again: handles go on meaning what they meant. */
  async restart(): Promise<void> {
    await this.#shadow.close();
    this.#shadow = await openShadow({ directory: this.#directory, belongsTo: {} });
    await this.#mount();
  }

  async #mount(): Promise<void> {
    const service = stack(
      this.#lower,
      this.#below,
      this.#calls.layer,
      redirectOnWrite(this.#shadow),
    );
    const mounted = await service.mount('/', callerContext(0, 0));
    assert.ok(mounted.status === Mountstat3.OK);
    this.#client = new Client(service, mounted.handle);
  }
}
