import assert from 'node:assert/strict';
import { type Fattr3, type Filehandle, Nfsstat3, nfsstat3Name } from '@rowfs/nfs3';
import { asRoot as ctx, type Overlaid } from './overlaid.ts';

/** Undefined for an object that is gone. */
export async function attributesOf(
  { service }: Overlaid,
  object: Filehandle,
): Promise<Fattr3 | undefined> {
  const result = await service.getattr({ object }, ctx);
  if (result.status === Nfsstat3.STALE) return undefined;
  assert.ok(result.status === Nfsstat3.OK, nfsstat3Name(result.status));
  return result.attributes;
}

/** All of a file, by one READ. */
export async function contentOf({ service }: Overlaid, file: Filehandle): Promise<Buffer> {
  const result = await service.read({ file, offset: 0, count: 1024 * 1024 }, ctx);
  assert.ok(result.status === Nfsstat3.OK, nfsstat3Name(result.status));
  const content = Buffer.concat(result.data);
  assert.equal(content.length, result.count);
  assert.ok(result.eof);
  return content;
}

/** Names with handles, by READDIR in small pages and a LOOKUP each. */
export async function listOf(
  { service }: Overlaid,
  dir: Filehandle,
): Promise<Map<string, Filehandle>> {
  const handles = new Map<string, Filehandle>();
  let cookie = 0n;
  for (;;) {
    const page = await service.readdir({ dir, cookie, cookieverf: 0n, count: 256 }, ctx);
    assert.ok(page.status === Nfsstat3.OK, nfsstat3Name(page.status));
    for (const entry of page.entries) {
      cookie = entry.cookie;
      if (entry.name === '.' || entry.name === '..') continue;
      const found = await service.lookup({ what: { dir, name: entry.name } }, ctx);
      assert.ok(found.status === Nfsstat3.OK, `${entry.name}: ${nfsstat3Name(found.status)}`);
      assert.equal(found.objAttributes?.fileid, entry.fileid);
      assert.ok(!handles.has(entry.name), `${entry.name} is listed twice`);
      handles.set(entry.name, found.object);
    }
    if (page.eof) return handles;
  }
}

export function assertSameBytes(actual: Buffer, expected: Buffer): void {
  if (actual.equals(expected)) return;
  const at = actual.findIndex((byte, i) => byte !== expected[i]);
  assert.fail(`byte ${at} is ${actual[at]}, not ${expected[at]}`);
}
