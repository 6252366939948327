import assert from 'node:assert/strict';
import { type Filehandle, NFS3_FHSIZE, StableHow } from '@rowfs/nfs3';
import { type Client, refused, sattr } from '../client.ts';
import type { Group } from '../group.ts';

/** A call of each procedure that takes a handle. */
function everyCall({ service, root, ctx }: Client, handle: Filehandle) {
  const where = { dir: handle, name: 'x' };
  const start = { dir: handle, cookie: 0n, cookieverf: 0n };
  const attributes = sattr({});
  const data = [Buffer.from('x')];
  const change = { newAttributes: sattr({ mode: 0o600 }), guard: undefined };
  return {
    getattr: () => service.getattr({ object: handle }, ctx),
    setattr: () => service.setattr({ object: handle, ...change }, ctx),
    lookup: () => service.lookup({ what: where }, ctx),
    access: () => service.access({ object: handle, access: 1 }, ctx),
    readlink: () => service.readlink({ symlink: handle }, ctx),
    read: () => service.read({ file: handle, offset: 0, count: 1 }, ctx),
    write: () =>
      service.write({ file: handle, offset: 0, count: 1, stable: StableHow.UNSTABLE, data }, ctx),
    create: () =>
      service.create({ where, how: { mode: 'guarded', objAttributes: attributes } }, ctx),
    mkdir: () => service.mkdir({ where, attributes }, ctx),
    symlink: () => service.symlink({ where, symlinkAttributes: attributes, symlinkData: 'x' }, ctx),
    remove: () => service.remove({ object: where }, ctx),
    rmdir: () => service.rmdir({ object: where }, ctx),
    rename: () => service.rename({ from: where, to: { dir: root, name: 'y' } }, ctx),
    link: () => service.link({ file: handle, link: { dir: root, name: 'z' } }, ctx),
    readdir: () => service.readdir({ ...start, count: 1000 }, ctx),
    readdirplus: () => service.readdirplus({ ...start, dircount: 1000, maxcount: 1000 }, ctx),
    fsstat: () => service.fsstat({ fsroot: handle }, ctx),
    fsinfo: () => service.fsinfo({ fsroot: handle }, ctx),
    pathconf: () => service.pathconf({ object: handle }, ctx),
    commit: () => service.commit({ file: handle, offset: 0, count: 0 }, ctx),
  };
}

function garbage(length: number, byte: number): Filehandle {
  return new Uint8Array(length).fill(byte);
}

export const handles: Group = {
  name: 'handles (2.6: BADHANDLE, STALE)',
  needs: 'nothing',
  register(test) {
    test('are at most 64 bytes, for deep directories too', async (client) => {
      for (const path of ['', 'dir', 'dir/nested/file.bin', 'link']) {
        assert.ok((await client.walk(path)).length <= NFS3_FHSIZE, path);
      }
    });

    test('that were never given out are refused by every procedure', async (client) => {
      for (const bad of [garbage(0, 0), garbage(7, 1), garbage(32, 0xff), garbage(64, 0)]) {
        for (const [name, call] of Object.entries(everyCall(client, bad))) {
          const { status } = await call();
          // A read-only server may refuse a change before it looks at the handle.
          assert.ok([10001, 70, 30].includes(status), `${name}: ${status}`);
        }
      }
    });

    test('with one byte changed never lead to another object', async (client) => {
      const handle = await client.walk('hello.txt');
      const { fileid } = await client.attributes(handle);
      for (let i = 0; i < handle.length; i += 1) {
        const changed = Uint8Array.from(handle);
        changed[i] = (changed[i] ?? 0) ^ 0x55;
        const result = await client.service.getattr({ object: changed }, client.ctx);
        if (result.status !== 0) refused(result, 'BADHANDLE', 'STALE');
        else assert.equal(result.attributes.fileid, fileid, `byte ${i}`);
      }
    });

    test('differ between objects', async (client) => {
      const paths = ['', 'dir', 'dir/nested', 'hello.txt', 'empty', 'link', 'many'];
      const seen = new Set<string>();
      for (const path of paths) seen.add(Buffer.from(await client.walk(path)).toString('hex'));
      assert.equal(seen.size, paths.length);
    });
  },
};
