/** Unmodified user-level clients on a proxy over an unmodified server, without a registry. */
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { startGanesha } from '../support/ganesha.ts';
import { nfsCat, nfsCopyFrom, nfsCopyTo, nfsLs } from '../support/libnfs.ts';
import { requires } from '../support/requirements.ts';
import { type ReadyProxy, startRowfs } from '../support/rowfs.ts';
import { makeSampleTree } from '../support/sample-tree.ts';
import { testScope } from '../support/test-scope.ts';
import { describeTree } from '../support/tree-description.ts';

test(
  'libnfs reads and writes through the proxy',
  { skip: requires('ganesha', 'libnfs') },
  async (t) => {
    const scope = await testScope(t);
    const { directory } = scope;
    const image = join(directory, 'image');
    await mkdir(image);
    await makeSampleTree(image, { seed: 3, randomFiles: 10 });
    const before = await describeTree(image);
    const ganesha = scope.own(
      await startGanesha({ exports: [{ path: image, access: 'read-only' }], directory }),
    );
    const { nfsPort, mountPort } = ganesha;
    const proxy = scope.own(
      await startRowfs<ReadyProxy>(
        [
          'proxy',
          '--server',
          `127.0.0.1:${nfsPort},${mountPort}:${image}`,
          '--listen',
          '127.0.0.1:0',
          '--rest',
          '127.0.0.1:0',
        ],
        { directory, owner: 'machine' },
      ),
    );
    const server = {
      host: proxy.ready.host,
      nfsPort: proxy.ready.port,
      mountPort: proxy.ready.mountPort,
    };

    const listed = await nfsLs(server, '/sizes');
    assert.equal(listed.find(({ name }) => name === '1048577 bytes')?.size, 1_048_577);
    const file = '/sizes/3145733 bytes';
    const content = await readFile(join(image, file));
    assert.deepEqual(Buffer.from(await nfsCat(server, file)), content);

    const local = join(directory, 'local');
    await writeFile(local, content);
    // Two slashes: libnfs mounts what stands before the last one, and cannot mount the empty path.
    await nfsCopyTo(server, local, '//uploaded');
    await nfsCopyFrom(server, '//uploaded', join(directory, 'downloaded'));
    assert.deepEqual(await readFile(join(directory, 'downloaded')), content);

    await proxy.stop();
    assert.deepEqual(await describeTree(image), before, 'the image was not written to');
  },
);
