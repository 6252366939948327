import assert from 'node:assert/strict';
import { appendFile, cp, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connectNfs3, Ftype3 } from '@rowfs/nfs3';
import { NAMES_TABLE, RESERVED_KEY } from '../failover/path-records.ts';
import { staticLocator } from '../locator.ts';
import { createProxy } from '../proxy.ts';
import { NEXT_ID_KEY, OWNER_KEY, recordsPath } from '../shadow/make-shadow.ts';
import {
  decodeEntry,
  decodeNode,
  encodeEntry,
  encodeId,
  encodeNode,
  latin1,
  lowerKey,
  type Node,
  nodeKey,
  presenceKey,
  readEntryKey,
} from '../shadow/records.ts';
import { contentsPath } from '../shadow/shadow-files.ts';
import { openRecordReader } from '../store/record-reader.ts';
import { RecordStore } from '../store/record-store.ts';
import { TestBench } from '../test-support/image-servers.ts';
import { PathClient } from '../test-support/path-client.ts';
import { makeImage } from '../test-support/row/overlaid.ts';
import { fsck } from './fsck.ts';
import type { ProblemCode } from './problem.ts';

/** What a shadow holds, to be spoilt. */
class Shadow {
  readonly directory: string;
  readonly nodes: Node[] = [];
  readonly entries: { key: string; directory: number; name: string; id: number }[] = [];

  static async open(directory: string): Promise<Shadow> {
    const shadow = new Shadow(directory);
    const records = openRecordReader(recordsPath(directory));
    for (const { key, value } of records.range('n'))
      shadow.nodes.push(decodeNode(key.readUIntBE(1, 6), value));
    for (const { key, value } of records.range('e')) {
      const { name } = readEntryKey(key);
      const at = { key: latin1(key), directory: key.readUIntBE(1, 6), name };
      shadow.entries.push({ ...at, id: decodeEntry(value).id });
    }
    await records.close();
    return shadow;
  }

  private constructor(directory: string) {
    this.directory = directory;
  }

  entry(name: string): (typeof this.entries)[number] {
    const entry = this.entries.find((each) => each.name === name);
    assert.ok(entry !== undefined, name);
    return entry;
  }

  /** The node of a name that is recorded, or of the image's file of that many bytes. */
  node(which: string | number): Node {
    const id = typeof which === 'string' ? this.entry(which).id : undefined;
    const node = this.nodes.find((each) =>
      id === undefined ? each.origin?.size === which : each.id === id,
    );
    assert.ok(node !== undefined, String(which));
    return node;
  }

  async write(writes: [string, Buffer | undefined][]): Promise<void> {
    const records = new RecordStore(recordsPath(this.directory), () => undefined);
    records.stage(new Map(writes));
    await records.close();
  }

  change(which: string | number, fields: Partial<Node>): Promise<void> {
    const node = this.node(which);
    return this.write([[nodeKey(node.id), encodeNode({ ...node, ...fields })]]);
  }

  contents(which: string | number): string {
    return contentsPath(join(this.directory, 'data'), this.node(which).id);
  }
}

/** One way to spoil a shadow. */
interface Spoilt {
  readonly how: string;
  readonly code: ProblemCode;
  readonly leftover?: boolean;
  readonly mended: boolean;
  readonly spoil: (shadow: Shadow) => Promise<unknown>;
}

const spoilt: readonly Spoilt[] = [
  {
    how: 'contents without a node',
    code: 'ORPHAN',
    leftover: true,
    mended: true,
    spoil: ({ directory }) => writeFile(join(directory, 'data/3f/ff'), 'left behind'),
  },
  {
    how: 'contents beyond the end of the file',
    code: 'ORPHAN',
    leftover: true,
    mended: true,
    spoil: (shadow) => appendFile(shadow.contents('born'), 'never committed'),
  },
  {
    how: 'contents of a directory',
    code: 'ORPHAN',
    mended: true,
    spoil: (shadow) => writeFile(shadow.contents('made'), 'x'),
  },
  {
    how: 'contents that were cut',
    code: 'LOST_CONTENTS',
    mended: false,
    spoil: (shadow) => truncate(shadow.contents(8192), 4096),
  },
  {
    how: 'contents that are gone',
    code: 'LOST_CONTENTS',
    mended: false,
    spoil: (shadow) => rm(shadow.contents(8192)),
  },
  {
    how: 'a file of somebody else',
    code: 'UNKNOWN_FILE',
    mended: false,
    spoil: ({ directory }) => writeFile(join(directory, 'data/00/README'), 'hello'),
  },
  {
    how: 'a directory of contents that is missing',
    code: 'UNKNOWN_FILE',
    mended: true,
    spoil: ({ directory }) => rm(join(directory, 'data/3e'), { recursive: true }),
  },
  {
    how: 'presence bits of a file born here',
    code: 'ORPHAN',
    mended: true,
    spoil: (shadow) => shadow.write([[presenceKey(shadow.node('born').id, 0), Buffer.from([1])]]),
  },
  {
    how: 'a node that cannot be read',
    code: 'BAD_RECORD',
    mended: false,
    spoil: (shadow) => shadow.write([[nodeKey(shadow.node(8192).id), Buffer.from('?')]]),
  },
  {
    how: 'a record of no table',
    code: 'BAD_RECORD',
    mended: false,
    spoil: (shadow) => shadow.write([['x', Buffer.from('?')]]),
  },
  {
    how: 'a node that is gone',
    code: 'NAME_WITHOUT_NODE',
    mended: true,
    spoil: (shadow) => shadow.write([[nodeKey(shadow.node('fifo').id), undefined]]),
  },
  {
    how: 'a name that is gone',
    code: 'NODE_WITHOUT_NAME',
    mended: false,
    spoil: (shadow) => shadow.write([[shadow.entry('fifo').key, undefined]]),
  },
  {
    how: 'names in what is no directory',
    code: 'MISPLACED_NAME',
    mended: false,
    spoil: (shadow) => shadow.change('made', { type: Ftype3.FIFO }),
  },
  {
    how: 'a name where nobody looks for it',
    code: 'MISPLACED_NAME',
    mended: true,
    spoil: (shadow) => {
      const { key, id } = shadow.entry('born');
      const elsewhere = `${key.slice(0, 7)}${'\x01'.repeat(8)}${key.slice(15)}`;
      return shadow.write([
        [key, undefined],
        [elsewhere, encodeEntry({ id, coversLower: false })],
      ]);
    },
  },
  {
    how: 'a whiteout of a name that the image has not',
    code: 'MISPLACED_NAME',
    mended: true,
    spoil: (shadow) => {
      const { key } = shadow.entry('in-made');
      return shadow.write([
        [key, encodeEntry({ id: 0, coversLower: true })],
        [nodeKey(shadow.node('in-made').id), undefined],
      ]);
    },
  },
  {
    how: 'a name that does not hide the one below',
    code: 'MISPLACED_NAME',
    mended: true,
    spoil: (shadow) => {
      const { key } = shadow.entry('b');
      return shadow.write([[key, encodeEntry({ id: 0, coversLower: false })]]);
    },
  },
  {
    how: 'a wrong link count',
    code: 'BAD_NODE',
    mended: true,
    spoil: (shadow) => shadow.change('born', { nlink: 7 }),
  },
  {
    how: 'a wrong link count of a file of the image with several names',
    code: 'BAD_NODE',
    mended: true,
    spoil: (shadow) => shadow.change(10_000, { nlink: 1 }),
  },
  {
    how: 'a wrong count of subdirectories',
    code: 'BAD_NODE',
    mended: true,
    spoil: (shadow) => shadow.change('made', { nlink: 9 }),
  },
  {
    how: 'a wrong count of names',
    code: 'BAD_NODE',
    mended: true,
    spoil: (shadow) => shadow.change('made', { children: 0 }),
  },
  {
    how: 'more of the image than the file has',
    code: 'BAD_NODE',
    mended: true,
    spoil: (shadow) => shadow.change(8192, { lowerLimit: 1e6 }),
  },
  {
    how: "another's fileid",
    code: 'BAD_NODE',
    mended: true,
    spoil: (shadow) => shadow.change('born', { fileid: 3n }),
  },
  {
    how: 'a directory that names another parent',
    code: 'BAD_DIRECTORY',
    mended: true,
    spoil: (shadow) => shadow.change('made', { parent: shadow.node('inner').id }),
  },
  {
    how: 'directories within each other',
    code: 'BAD_DIRECTORY',
    mended: false,
    spoil: (shadow) => {
      const [made, inner] = [shadow.node('made'), shadow.node('inner')];
      const { key, name } = shadow.entry('made');
      assert.equal(name, 'made');
      return shadow.write([
        [key, undefined],
        [nodeKey(made.id), encodeNode({ ...made, parent: inner.id })],
      ]);
    },
  },
  {
    how: 'an object of the image that does not lead to its node',
    code: 'BAD_LOWER',
    mended: true,
    spoil: (shadow) => shadow.write([[lowerKey(shadow.node(8192).lower!), undefined]]),
  },
  {
    how: 'an object of the image that leads to no node',
    code: 'BAD_LOWER',
    mended: false,
    spoil: (shadow) =>
      shadow.write([
        [lowerKey(Buffer.from('?')), encodeId(1)],
        [nodeKey(1), undefined],
      ]),
  },
  {
    how: 'a changed object that counts as removed',
    code: 'BAD_LOWER',
    mended: false,
    spoil: (shadow) => shadow.write([[lowerKey(shadow.node(8192).lower!), encodeId(0)]]),
  },
  {
    how: 'ids that would be given twice',
    code: 'BAD_FACT',
    mended: true,
    spoil: (shadow) => shadow.write([[NEXT_ID_KEY, encodeId(2)]]),
  },
  {
    how: 'an unknown owner',
    code: 'BAD_FACT',
    mended: false,
    spoil: (shadow) => shadow.write([[OWNER_KEY, undefined]]),
  },
  {
    how: 'paths of the image that were lost',
    code: 'BAD_PATH',
    mended: false,
    spoil: (shadow) => {
      const lower = Buffer.from(shadow.node(8192).lower!);
      return shadow.write([[NAMES_TABLE + latin1(lower.subarray(10)), undefined]]);
    },
  },
  {
    how: 'ids of the path table that would be given twice',
    code: 'BAD_PATH',
    mended: true,
    spoil: (shadow) => shadow.write([[RESERVED_KEY, Buffer.from('16')]]),
  },
];

void describe('fsck', () => {
  const bench = new TestBench();
  let pristine: string;
  before(async () => {
    const image = await makeImage();
    bench.onClose(() => rm(image, { recursive: true }));
    const stateDirectory = await bench.directory();
    const locator = staticLocator([await bench.serve(image)]);
    const proxy = await createProxy({ stateDirectory, locator });
    const service = connectNfs3(proxy.address);
    const client = await PathClient.mount(service);
    await client.create('born', 'contents');
    await client.link('born', 'born-too');
    await client.mkdir('made');
    await client.mkdir('made/inner');
    await client.create('made/in-made');
    await client.mknod('fifo', 'FIFO');
    await client.write('dir/c', 5000, 'changed');
    await client.setattr('a', { mode: 0o600 });
    await client.remove('b');
    await client.rename('dir/sub', 'made/inner/sub');
    await client.rename('s', 'moved');
    await client.link('moved', 'moved-too');
    await service.close();
    await proxy.close();
    pristine = join(stateDirectory, 'shadows/default');
  });
  after(() => bench.close());

  void it('finds nothing in a shadow as it should be, and leaves it unlocked', async () => {
    assert.deepEqual(await fsck(pristine), []);
    assert.deepEqual(await fsck(pristine, { repair: true }), []);
    assert.deepEqual((await readdir(pristine)).sort(), ['data', 'records']);
  });

  void it('says where there is no shadow', async () => {
    const directory = await bench.directory();
    await assert.rejects(fsck(directory), { code: 'SHADOW_UNUSABLE' });
    assert.deepEqual(await readdir(directory), []);
  });

  for (const { how, code, leftover = false, mended, spoil } of spoilt) {
    void it(`finds ${how}${mended ? ', and mends it' : ', and does not guess'}`, async () => {
      const directory = await bench.directory();
      await cp(pristine, directory, { recursive: true });
      await spoil(await Shadow.open(directory));
      const found = await fsck(directory);
      const problem = found.find((each) => each.code === code);
      assert.ok(problem !== undefined, JSON.stringify(found));
      assert.equal(problem.leftover, leftover);
      assert.ok(found.every((each) => !each.mended));
      assert.deepEqual(await fsck(directory), found, 'looking changes nothing');
      const repaired = await fsck(directory, { repair: true });
      const after = repaired.find((each) => each.code === code);
      assert.equal(after?.mended, mended, JSON.stringify(repaired));
      const left = await fsck(directory);
      assert.deepEqual(
        left,
        repaired.filter((each) => !each.mended),
      );
      if (mended) assert.deepEqual(left, []);
      assert.ok((await stat(directory)).isDirectory());
    });
  }
});
