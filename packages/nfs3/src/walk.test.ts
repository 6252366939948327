import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { failure } from './failure.ts';
import type { Nfs3Service } from './service.ts';
import { Nfsstat3 } from './status.ts';
import { ctx } from './test-support/context.ts';
import { pathNames, walk } from './walk.ts';

/** A tree where a handle is its path, and whatever begins with `no` does not exist. */
const lookup: Nfs3Service['lookup'] = async ({ what: { dir, name } }) =>
  name.startsWith('no')
    ? failure('lookup', Nfsstat3.NOENT)
    : {
        status: Nfsstat3.OK,
        object: Buffer.from(`${Buffer.from(dir).toString()}/${name}`),
        objAttributes: undefined,
        dirAttributes: undefined,
      };
const root = Buffer.from('root');

describe('walk', () => {
  it('looks up name by name', async () => {
    const result = await walk({ lookup }, root, pathNames('/usr//lib/./x/'), ctx);
    assert.ok(result.status === Nfsstat3.OK);
    assert.equal(result.object.toString(), 'root/usr/lib/x');
  });

  it('is at the root with nothing to walk', async () => {
    const result = await walk({ lookup }, root, pathNames('/'), ctx);
    assert.ok(result.status === Nfsstat3.OK);
    assert.equal(result.object, root);
  });

  it('tells how far it came', async () => {
    const result = await walk({ lookup }, root, pathNames('/usr/lib/nothing/x'), ctx);
    assert.deepEqual(result, { status: Nfsstat3.NOENT, depth: 2 });
  });
});
