import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NodeHandles } from './node-handle.ts';
import { decodeNames, encodeNames } from './path-records.ts';

const node = fc.nat({ max: 2 ** 40 - 1 });
// Names have a character for each byte.
const name = fc
  .uint8Array({ maxLength: 255 })
  .map((bytes) => Buffer.from(bytes).toString('latin1'));

test('names of a node come back, whatever bytes they have', () => {
  const names = fc.array(fc.record({ parent: node, name }), { maxLength: 5 });
  fc.assert(
    fc.property(names, (all) =>
      assert.deepEqual(
        decodeNames(encodeNames(all)),
        all.map((each) => ({ ...each })),
      ),
    ),
  );
});

test('a handle as text is of the same node as its bytes', () => {
  const tableId = fc.uint8Array({ minLength: 8, maxLength: 8 });
  fc.assert(
    fc.property(tableId, node, (id, of) => {
      const handles = new NodeHandles(id);
      const text = Buffer.from(handles.encode(of)).toString('latin1');
      assert.equal(handles.decodeText(text), of);
      assert.equal(handles.decodeText(`${text}x`), undefined);
      const other = new NodeHandles(id.map((byte) => byte ^ 1));
      assert.equal(other.decodeText(text), undefined);
    }),
  );
});
