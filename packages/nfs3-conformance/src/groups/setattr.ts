import assert from 'node:assert/strict';
import { ok, refused, sattr } from '../client.ts';
import type { Group } from '../group.ts';

export const setattr: Group = {
  name: 'SETATTR (3.3.2)',
  needs: 'writable',
  register(test) {
    test('sets mode, owner and group, one at a time and together', async (client) => {
      const { service, ctx } = client;
      const object = await client.file(await client.freshDirectory(), 'file', 'x');
      const set = async (attributes: Parameters<typeof sattr>[0]) =>
        ok(
          await service.setattr(
            { object, newAttributes: sattr(attributes), guard: undefined },
            ctx,
          ),
        );
      await set({ mode: 0o640 });
      await set({ uid: 1234 });
      await set({ gid: 4321 });
      const first = await client.attributes(object);
      assert.deepEqual([first.mode, first.uid, first.gid], [0o640, 1234, 4321]);
      await set({ mode: 0o4755, uid: 5, gid: 6 });
      const second = await client.attributes(object);
      assert.deepEqual([second.mode, second.uid, second.gid], [0o4755, 5, 6]);
    });

    test('changes sample objects as well as new ones', async (client) => {
      const object = await client.walk('script');
      const args = { object, newAttributes: sattr({ mode: 0o711 }), guard: undefined };
      ok(await client.service.setattr(args, client.ctx));
      assert.equal((await client.attributes(await client.walk('script'))).mode, 0o711);
    });

    test('sets times of the client, to the microsecond, also before and after now', async (client) => {
      const object = await client.file(await client.freshDirectory(), 'file', 'x');
      for (const seconds of [0, 1_000_000_000, 2_000_000_000]) {
        const atime = { seconds, nseconds: 123_456_000 };
        const mtime = { seconds: seconds + 1, nseconds: 0 };
        const args = { object, newAttributes: sattr({ atime, mtime }), guard: undefined };
        ok(await client.service.setattr(args, client.ctx));
        const set = await client.attributes(object);
        assert.equal(set.atime.seconds, seconds);
        assert.equal(Math.floor(set.atime.nseconds / 1000), 123_456);
        assert.deepEqual(set.mtime, mtime);
      }
    });

    test("sets the server's time", async (client) => {
      const object = await client.file(await client.freshDirectory(), 'file', 'x');
      const past = { seconds: 1, nseconds: 0 };
      const { service, ctx } = client;
      const old = sattr({ atime: past, mtime: past });
      ok(await service.setattr({ object, newAttributes: old, guard: undefined }, ctx));
      const now = sattr({ mtime: 'server-time' });
      ok(await service.setattr({ object, newAttributes: now, guard: undefined }, ctx));
      const set = await client.attributes(object);
      assert.ok(set.mtime.seconds > 1_000_000_000);
      assert.equal(set.atime.seconds, 1);
    });

    test('cuts a file, and extends one with zeros', async (client) => {
      const object = await client.file(await client.freshDirectory(), 'file', 'some content');
      const resize = async (size: number) => {
        const args = { object, newAttributes: sattr({ size }), guard: undefined };
        ok(await client.service.setattr(args, client.ctx));
      };
      await resize(4);
      assert.equal((await client.read(object)).toString(), 'some');
      await resize(8);
      assert.equal((await client.read(object)).toString(), 'some\0\0\0\0');
      assert.equal((await client.attributes(object)).size, 8);
      await resize(0);
      assert.equal((await client.read(object)).length, 0);
    });

    test('cuts and extends a sample file: what was cut off is zeros', async (client) => {
      const object = await client.walk('holes');
      for (const size of [5_000_000, 5_001_000, 4097, 20_000]) {
        const args = { object, newAttributes: sattr({ size }), guard: undefined };
        ok(await client.service.setattr(args, client.ctx));
        assert.equal((await client.attributes(object)).size, size);
      }
      const content = await client.readAll(object);
      assert.ok(content.equals(Buffer.alloc(20_000)));
    });

    test('with a guard changes only what has this ctime', async (client) => {
      const { service, ctx } = client;
      const object = await client.file(await client.freshDirectory(), 'file', 'x');
      const { ctime } = await client.attributes(object);
      const other = { seconds: ctime.seconds - 10, nseconds: 0 };
      const newAttributes = sattr({ mode: 0o600 });
      refused(await service.setattr({ object, newAttributes, guard: other }, ctx), 'NOT_SYNC');
      assert.equal((await client.attributes(object)).mode, 0o644);
      ok(await service.setattr({ object, newAttributes, guard: ctime }, ctx));
      assert.equal((await client.attributes(object)).mode, 0o600);
    });

    test('lets owners change modes, nobody else, and nobody but root owners', async (client) => {
      const dir = await client.freshDirectory(0o777);
      const owner = client.as(1000, 1000);
      const object = await owner.file(dir, 'file', 'x');
      const mode = { object, newAttributes: sattr({ mode: 0o600 }), guard: undefined };
      const uid = { object, newAttributes: sattr({ uid: 1001 }), guard: undefined };
      refused(await client.service.setattr(mode, client.as(1001, 1001).ctx), 'PERM', 'ACCES');
      refused(await client.service.setattr(uid, owner.ctx), 'PERM');
      ok(await client.service.setattr(mode, owner.ctx));
    });

    test('refuses a size for a directory', async (client) => {
      const object = await client.freshDirectory();
      const args = { object, newAttributes: sattr({ size: 0 }), guard: undefined };
      refused(await client.service.setattr(args, client.ctx), 'ISDIR', 'INVAL');
    });

    test('shows itself in ctime, never going back', async (client) => {
      const object = await client.file(await client.freshDirectory(), 'file', 'x');
      const before = (await client.attributes(object)).ctime;
      const args = { object, newAttributes: sattr({ mode: 0o600 }), guard: undefined };
      ok(await client.service.setattr(args, client.ctx));
      const { ctime } = await client.attributes(object);
      const ns = (time: typeof ctime): number => time.seconds * 1e9 + time.nseconds;
      assert.ok(ns(ctime) >= ns(before));
    });
  },
};
