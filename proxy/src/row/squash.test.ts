import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  Access3,
  connectNfs3,
  type Filehandle,
  listenNfs3,
  Mountstat3,
  type Nfs3Context,
  type Nfs3Listener,
  Nfsstat3,
  nfsstat3Name,
  type RemoteNfs3Service,
  type Sattr3,
  type Squash,
  squash,
  stack,
  StableHow,
  UNCHANGED,
} from '@rowfs/nfs3';
import { NO_CREDENTIAL } from '@rowfs/oncrpc';
import { asRoot, makeImage, Overlaid } from '../test-support/row/overlaid.ts';

function as(uid: number, gid: number, gids: readonly number[] = []): Nfs3Context {
  const credential = { flavor: 'sys', stamp: 0, machinename: 'test', uid, gid, gids } as const;
  return { ...asRoot, credential };
}

const alice = as(1000, 100);
const bob = as(1001, 100);
const eve = as(1002, 200);
const member = as(1003, 200, [100]);
const unnamed: Nfs3Context = { ...asRoot, credential: NO_CREDENTIAL };
const ANONYMOUS = { uid: 4000, gid: 4001 };

/** One overlay behind three servers, as a client of each sees it over TCP. */
void describe('several users of one overlay, over TCP', () => {
  let image: string;
  let directory: string;
  let overlaid: Overlaid;
  const listeners: Nfs3Listener[] = [];
  const clients = {} as Record<Squash, RemoteNfs3Service>;
  let root: Filehandle;

  before(async () => {
    image = await makeImage();
    directory = await mkdtemp(join(tmpdir(), 'rowfs-users-'));
    overlaid = await Overlaid.open(image, directory);
    for (const squashed of ['none', 'root', 'all'] as const) {
      const layer = squash({ squash: squashed, anonymous: ANONYMOUS });
      const listener = await listenNfs3({ service: stack(overlaid.service, layer) });
      listeners.push(listener);
      const { host, port } = listener;
      clients[squashed] = connectNfs3({ host, port });
    }
    const mounted = await clients.none.mount('/', unnamed);
    assert.ok(mounted.status === Mountstat3.OK);
    root = mounted.handle;
    await set(root, { mode: 0o777, uid: 0, gid: 0 });
  });
  after(async () => {
    for (const client of Object.values(clients)) await client.close();
    for (const listener of listeners) await listener.close();
    await overlaid.close();
    await rm(image, { recursive: true });
    await rm(directory, { recursive: true });
  });

  async function set(object: Filehandle, wanted: Partial<Sattr3>): Promise<void> {
    const newAttributes = { ...UNCHANGED, ...wanted };
    const result = await clients.none.setattr({ object, newAttributes, guard: undefined }, asRoot);
    assert.equal(result.status, Nfsstat3.OK);
  }

  async function make(
    name: string,
    mode: number,
    who: Nfs3Context,
    by: Squash = 'none',
  ): Promise<Filehandle> {
    const how = { mode: 'guarded', objAttributes: { ...UNCHANGED, mode } } as const;
    const made = await clients[by].create({ where: { dir: root, name }, how }, who);
    assert.ok(made.status === Nfsstat3.OK && made.obj !== undefined, nfsstat3Name(made.status));
    return made.obj;
  }

  async function write(file: Filehandle, who: Nfs3Context, by: Squash = 'none'): Promise<string> {
    const args = {
      file,
      offset: 0,
      count: 1,
      stable: StableHow.UNSTABLE,
      data: [Buffer.from('x')],
    };
    return nfsstat3Name((await clients[by].write(args, who)).status);
  }

  async function ownerOf(object: Filehandle): Promise<string> {
    const result = await clients.none.getattr({ object }, asRoot);
    assert.ok(result.status === Nfsstat3.OK);
    return `${result.attributes.uid}:${result.attributes.gid}`;
  }

  it('gives owner, group, further groups and others what the mode says', async () => {
    const file = await make('shared', 0o640, alice);
    assert.equal(await ownerOf(file), '1000:100');
    const granted = async (who: Nfs3Context): Promise<number> => {
      const access = Access3.READ | Access3.MODIFY;
      const result = await clients.none.access({ object: file, access }, who);
      assert.ok(result.status === Nfsstat3.OK);
      return result.access;
    };
    assert.equal(await granted(alice), Access3.READ | Access3.MODIFY);
    assert.equal(await granted(bob), Access3.READ);
    assert.equal(await granted(member), Access3.READ);
    assert.equal(await granted(eve), 0);
    assert.equal(await granted(unnamed), 0);
    assert.equal(await granted(asRoot), Access3.READ | Access3.MODIFY);
    assert.equal(await write(file, alice), 'NFS3_OK');
    assert.equal(await write(file, bob), 'NFS3ERR_ACCES');
    assert.equal(await write(file, eve), 'NFS3ERR_ACCES');
  });

  it('without squashing, root owns what it makes and does what it likes', async () => {
    const file = await make('of-root', 0o600, asRoot);
    assert.equal(await ownerOf(file), '0:0');
    assert.equal(await write(await make('of-alice', 0o600, alice), asRoot), 'NFS3_OK');
  });

  it('with root squashed, root is the anonymous user, and others are who they are', async () => {
    assert.equal(await ownerOf(await make('squashed', 0o600, asRoot, 'root')), '4000:4001');
    assert.equal(await ownerOf(await make('kept', 0o600, bob, 'root')), '1001:100');
    const secret = await make('secret', 0o600, alice);
    assert.equal(await write(secret, asRoot, 'root'), 'NFS3ERR_ACCES');
    assert.equal(await write(secret, alice, 'root'), 'NFS3_OK');
    const newAttributes = { ...UNCHANGED, uid: 1001 };
    const args = { object: secret, newAttributes, guard: undefined };
    assert.equal((await clients.root.setattr(args, asRoot)).status, Nfsstat3.PERM);
    const device = {
      type: 4,
      attributes: UNCHANGED,
      spec: { specdata1: 1, specdata2: 3 },
    } as const;
    const node = { where: { dir: root, name: 'device' }, what: device };
    assert.equal((await clients.root.mknod(node, asRoot)).status, Nfsstat3.PERM);
    assert.equal((await clients.none.mknod(node, asRoot)).status, Nfsstat3.OK);
  });

  it('with all squashed, nobody owns anything but the anonymous user', async () => {
    const file = await make('anybody', 0o600, alice, 'all');
    assert.equal(await ownerOf(file), '4000:4001');
    assert.equal(await write(file, eve, 'all'), 'NFS3_OK');
    assert.equal(await write(file, alice), 'NFS3ERR_ACCES');
  });

  it('knows who brings no credential as the anonymous user of each server', async () => {
    for (const by of ['none', 'root', 'all'] as const) {
      assert.equal(await ownerOf(await make(`unnamed-${by}`, 0o600, unnamed, by)), '4000:4001');
    }
  });
});
