import assert from 'node:assert/strict';
import { chmod, chown, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Access3, type Filehandle, StableHow } from '@rowfs/nfs3';
import { type Client, ok, refused, sattr } from '@rowfs/nfs3-conformance';
import { Corner } from '../../test-support/row/corner.ts';

const OWNER = 1000;
const TEAM = 50;

/** Of the image: a file and a directory of OWNER and TEAM, mode 0640 and 0750. */
async function populate(image: string): Promise<void> {
  await mkdir(join(image, 'directory'));
  await writeFile(join(image, 'directory/inside'), 'x');
  await writeFile(join(image, 'file'), 'content');
  for (const [name, mode] of [
    ['directory', 0o750],
    ['file', 0o640],
  ] as const) {
    await chown(join(image, name), OWNER, TEAM);
    await chmod(join(image, name), mode);
  }
}

interface Cast {
  readonly root: Client;
  readonly owner: Client;
  /** By the gid, and by one of the gids. */
  readonly member: Client;
  readonly alsoMember: Client;
  readonly stranger: Client;
}

async function cast(t: TestContext): Promise<Cast> {
  const { client: root } = await Corner.open(t, populate);
  return {
    root,
    owner: root.as(OWNER, 1),
    member: root.as(1001, TEAM),
    alsoMember: root.as(1002, 2, [3, TEAM, 4]),
    stranger: root.as(1003, 3, [4, 5]),
  };
}

const { READ, LOOKUP, MODIFY, EXTEND, DELETE, EXECUTE } = Access3;
const ALL = READ | LOOKUP | MODIFY | EXTEND | DELETE | EXECUTE;

async function granted({ service, ctx }: Client, object: Filehandle): Promise<number> {
  return ok(await service.access({ object, access: ALL }, ctx)).access;
}

test('permissions by ACCESS: owner, group by gid and by gids, others, root', async (t) => {
  const { root, owner, member, alsoMember, stranger } = await cast(t);
  const file = await root.walk('file');
  const directory = await root.walk('directory');
  const change = MODIFY | EXTEND;
  for (const [who, client, ofFile, ofDirectory] of [
    ['root', root, READ | change, READ | LOOKUP | change | DELETE],
    ['owner', owner, READ | change, READ | LOOKUP | change | DELETE],
    ['member', member, READ, READ | LOOKUP],
    ['member by gids', alsoMember, READ, READ | LOOKUP],
    ['stranger', stranger, 0, 0],
  ] as const) {
    assert.equal(await granted(client, file), ofFile, `${who}: the file`);
    assert.equal(await granted(client, directory), ofDirectory, `${who}: the directory`);
  }
});

test('permissions by the server: each procedure refuses what ACCESS does not grant', async (t) => {
  const { root, member, alsoMember, stranger } = await cast(t);
  const file = await root.walk('file');
  const dir = await root.walk('directory');
  const { service } = root;
  const write = {
    file,
    offset: 0,
    count: 1,
    stable: StableHow.FILE_SYNC,
    data: [Buffer.from('x')],
  };
  const where = { dir, name: 'new' };
  const how = { mode: 'guarded', objAttributes: sattr({}) } as const;
  const page = { dir, cookie: 0n, cookieverf: 0n };
  for (const { ctx } of [member, alsoMember]) {
    ok(await service.read({ file, offset: 0, count: 7 }, ctx));
    ok(await service.readdir({ ...page, count: 4096 }, ctx));
    ok(await service.lookup({ what: { dir, name: 'inside' } }, ctx));
  }
  const { ctx: nobody } = stranger;
  refused(await service.read({ file, offset: 0, count: 7 }, nobody), 'ACCES');
  refused(await service.readdir({ ...page, count: 4096 }, nobody), 'ACCES');
  refused(await service.readdirplus({ ...page, dircount: 4096, maxcount: 4096 }, nobody), 'ACCES');
  refused(await service.lookup({ what: { dir, name: 'inside' } }, nobody), 'ACCES');
  for (const { ctx } of [member, alsoMember, stranger]) {
    refused(await service.write(write, ctx), 'ACCES');
    const size = { object: file, newAttributes: sattr({ size: 0 }), guard: undefined };
    refused(await service.setattr(size, ctx), 'ACCES');
    const mode = { object: file, newAttributes: sattr({ mode: 0o777 }), guard: undefined };
    refused(await service.setattr(mode, ctx), 'PERM');
    refused(await service.create({ where, how }, ctx), 'ACCES');
    refused(await service.mkdir({ where, attributes: sattr({}) }, ctx), 'ACCES');
    refused(await service.remove({ object: { dir, name: 'inside' } }, ctx), 'ACCES');
    const from = { dir, name: 'inside' };
    refused(await service.rename({ from, to: { dir: root.root, name: 'out' } }, ctx), 'ACCES');
    refused(await service.link({ file, link: where }, ctx), 'ACCES');
  }
  assert.equal((await root.read(file)).toString(), 'content');
});

test('permissions follow what is changed here, for objects of the image too', async (t) => {
  const { root, owner, member, stranger } = await cast(t);
  const file = await root.walk('file');
  const set = async (client: Client, attributes: Parameters<typeof sattr>[0]): Promise<void> => {
    const newAttributes = sattr(attributes);
    ok(await client.service.setattr({ object: file, newAttributes, guard: undefined }, client.ctx));
  };
  await set(owner, { mode: 0o604 });
  assert.deepEqual([await granted(member, file), await granted(stranger, file)], [0, READ]);
  await set(root, { gid: 3 });
  // The first class that fits counts, even where a later one has more.
  assert.equal(await granted(stranger, file), 0);
  await set(root, { uid: 1003 });
  assert.equal(await granted(stranger, file), READ | MODIFY | EXTEND);
});

test('permissions: in a sticky directory each takes out only their own', async (t) => {
  const { root, owner, member } = await cast(t);
  const dir = await root.freshDirectory(0o1777);
  await owner.file(dir, 'theirs', '');
  const { service } = member;
  const object = { dir, name: 'theirs' };
  refused(await service.remove({ object }, member.ctx), 'PERM');
  refused(await service.rename({ from: object, to: { dir, name: 'x' } }, member.ctx), 'PERM');
  await member.file(dir, 'mine', '');
  const mine = { dir, name: 'mine' };
  refused(await service.rename({ from: mine, to: object }, member.ctx), 'PERM');
  ok(await service.remove({ object: mine }, member.ctx));
  ok(await service.remove({ object }, owner.ctx));
});

test('permissions: the owner goes on with a file that it has open, whatever its mode', async (t) => {
  const { root, owner, member } = await cast(t);
  const file = await root.walk('file');
  const newAttributes = sattr({ mode: 0 });
  ok(await owner.service.setattr({ object: file, newAttributes, guard: undefined }, owner.ctx));
  await owner.write(file, 0, 'C');
  assert.equal((await owner.read(file)).toString(), 'Content');
  assert.equal(await granted(owner, file), 0);
  refused(await member.service.read({ file, offset: 0, count: 1 }, member.ctx), 'ACCES');
});
