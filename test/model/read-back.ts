import assert from 'node:assert/strict';
import {
  type DirEntryPlus,
  type Fattr3,
  type Filehandle,
  Ftype3,
  type Nfs3Context,
  type Nfs3Service,
  Nfsstat3,
  nfsstat3Name,
} from '@rowfs/nfs3';

const READ_BYTES = 1024 * 1024;

export interface Paging {
  readonly plus: boolean;
  readonly pageBytes: number;
}

/** An object as a client sees it. */
export interface SeenObject {
  readonly attributes: Fattr3;
  /** Of a file. */
  readonly content: Buffer | undefined;
  /** Of a symbolic link. */
  readonly target: string | undefined;
  /** Of a directory: handles by name. */
  readonly entries: ReadonlyMap<string, Filehandle> | undefined;
}

/** Everything of an object; undefined when its handle is stale. */
export async function readBack(
  service: Nfs3Service,
  object: Filehandle,
  paging: Paging,
  ctx: Nfs3Context,
): Promise<SeenObject | undefined> {
  const got = await service.getattr({ object }, ctx);
  if (got.status === Nfsstat3.STALE) return undefined;
  const { attributes } = ok(got);
  const { type } = attributes;
  return {
    attributes,
    content: type === Ftype3.REG ? await contentOf(service, object, ctx) : undefined,
    target:
      type === Ftype3.LNK ? ok(await service.readlink({ symlink: object }, ctx)).data : undefined,
    entries:
      type === Ftype3.DIR ? await entriesOf(service, object, attributes, paging, ctx) : undefined,
  };
}

async function contentOf(
  service: Nfs3Service,
  file: Filehandle,
  ctx: Nfs3Context,
): Promise<Buffer> {
  const result = ok(await service.read({ file, offset: 0, count: READ_BYTES }, ctx));
  const content = Buffer.concat(result.data);
  assert.equal(content.length, result.count, 'READ: count is not the length of data');
  assert.ok(result.eof, 'READ of the whole file did not come to its end');
  return content;
}

async function entriesOf(
  service: Nfs3Service,
  dir: Filehandle,
  attributes: Fattr3,
  paging: Paging,
  ctx: Nfs3Context,
): Promise<ReadonlyMap<string, Filehandle>> {
  const listed = await listDirectory(service, dir, paging, ctx);
  assert.ok(typeof listed !== 'number', `listing: ${nfsstat3Name(Number(listed))}`);
  const entries = new Map<string, Filehandle>();
  await Promise.all(
    listed.map(async ({ name, fileid, nameHandle, nameAttributes }) => {
      if (name === '.') assert.equal(fileid, attributes.fileid, "fileid of '.'");
      if (name === '.' || name === '..') return;
      assert.ok(!entries.has(name), `${name} is listed twice`);
      entries.set(name, Buffer.from(nameHandle ?? []));
      if (nameAttributes !== undefined) assert.equal(nameAttributes.fileid, fileid, name);
      // What READDIRPLUS has told is not asked again: pages of plain READDIR come at other steps.
      if (nameHandle !== undefined) return;
      const found = ok(await service.lookup({ what: { dir, name } }, ctx));
      assert.equal(found.objAttributes?.fileid, fileid, `fileid of ${name} in the listing`);
      entries.set(name, Buffer.from(found.object));
    }),
  );
  return entries;
}

/** All entries, '.' and '..' too, page by page; or the status of a refusal. */
export async function listDirectory(
  service: Nfs3Service,
  dir: Filehandle,
  { plus, pageBytes }: Paging,
  ctx: Nfs3Context,
): Promise<DirEntryPlus[] | Nfsstat3> {
  const entries: DirEntryPlus[] = [];
  for (let cookie = 0n, cookieverf = 0n; ;) {
    const page = plus
      ? await service.readdirplus(
          { dir, cookie, cookieverf, dircount: pageBytes, maxcount: pageBytes },
          ctx,
        )
      : await service.readdir({ dir, cookie, cookieverf, count: pageBytes }, ctx);
    if (page.status !== Nfsstat3.OK) return page.status;
    for (const entry of page.entries) {
      entries.push({ nameAttributes: undefined, nameHandle: undefined, ...entry });
    }
    if (page.eof) return entries;
    assert.ok(page.entries.length > 0, 'a page with neither entries nor the end');
    cookie = page.entries.at(-1)?.cookie ?? cookie;
    ({ cookieverf } = page);
  }
}

function ok<R extends { readonly status: number }>(
  result: R,
): Extract<R, { readonly status: typeof Nfsstat3.OK }> {
  assert.equal(nfsstat3Name(result.status), 'NFS3_OK');
  return result as Extract<R, { readonly status: typeof Nfsstat3.OK }>;
}
