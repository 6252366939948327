import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { encodeImage } from './encode.ts';
import { openImage } from './image.ts';
import { treeOf, type VectorFile } from './test-support/test-vector.ts';

const directory = new URL('../test-vectors/', import.meta.url);
const format = readFileSync(new URL('../../../docs/image-format.md', import.meta.url), 'utf8');

describe('the test vectors of the format', () => {
  const files = readdirSync(directory);
  assert.ok(files.length > 0);
  for (const file of files) {
    it(`${file}: the tree gives these bytes, and the document names their digest`, () => {
      const vector = JSON.parse(readFileSync(new URL(file, directory), 'utf8')) as VectorFile;
      const { bytes } = encodeImage(treeOf(vector), vector.blockSize);
      assert.equal(bytes.toString('hex'), vector.manifest);
      const image = openImage(Buffer.from(vector.manifest, 'hex'));
      assert.equal(image.digest.toString('hex'), vector.digest);
      assert.ok(format.includes(vector.digest), 'docs/image-format.md');
    });
  }
});
