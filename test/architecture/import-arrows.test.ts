import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const repository = fileURLToPath(new URL('../..', import.meta.url));

interface Room {
  readonly name: string;
  readonly directory: string;
  /** The other rooms that its sources may import. */
  readonly mayImport: readonly string[];
  /** Rooms that only its tests may import besides. */
  readonly testsMayImport?: readonly string[];
  /** Why what is not listed is forbidden. */
  readonly because: string;
}

const rooms: readonly Room[] = [
  {
    name: '@rowfs/lock-file',
    directory: 'packages/lock-file',
    mayImport: [],
    because: 'who has a lock does not depend on what is locked',
  },
  {
    name: '@rowfs/xdr',
    directory: 'packages/xdr',
    mayImport: [],
    because: 'the byte order of the wire knows nothing of what is sent',
  },
  {
    name: '@rowfs/oncrpc',
    directory: 'packages/oncrpc',
    mayImport: ['@rowfs/xdr'],
    because: 'remote calls are the same whichever program is called',
  },
  {
    name: '@rowfs/nfs3',
    directory: 'packages/nfs3',
    mayImport: ['@rowfs/oncrpc', '@rowfs/xdr'],
    testsMayImport: ['@rowfs/nfs3-conformance'],
    because: 'a protocol knows nothing of the product that speaks it',
  },
  {
    name: '@rowfs/nfs3-conformance',
    directory: 'packages/nfs3-conformance',
    mayImport: ['@rowfs/nfs3'],
    because: 'the suite must judge every service alike, so it knows none of them',
  },
  {
    name: '@rowfs/image',
    directory: 'packages/image',
    mayImport: [],
    because: 'what an image is does not depend on how it is served',
  },
  {
    name: '@rowfs/proxy',
    directory: 'proxy',
    mayImport: ['@rowfs/image', '@rowfs/lock-file', '@rowfs/nfs3', '@rowfs/oncrpc'],
    testsMayImport: ['@rowfs/nfs3-conformance'],
    because: 'the proxy works without a registry: it declares what it needs, and the CLI fits it',
  },
  {
    name: '@rowfs/registry',
    directory: 'registry',
    mayImport: ['@rowfs/lock-file'],
    because: 'which servers hold an image is known without knowing how the image is read',
  },
  {
    name: '@rowfs/boot',
    directory: 'boot',
    mayImport: [],
    because:
      'machines are booted from whatever has their images and roots: the CLI fits a proxy to it',
  },
  {
    name: '@rowfs/cli',
    directory: 'cli',
    mayImport: [
      '@rowfs/boot',
      '@rowfs/image',
      '@rowfs/lock-file',
      '@rowfs/nfs3',
      '@rowfs/proxy',
      '@rowfs/registry',
    ],
    because: 'commands put rooms together; they do not speak XDR',
  },
];

interface Import {
  readonly file: string;
  readonly specifier: string;
}

function importsOf(room: Room): Import[] {
  return globSync(`${room.directory}/src/**/*.ts`, { cwd: repository }).flatMap((file) => {
    const { importedFiles } = ts.preProcessFile(readFileSync(join(repository, file), 'utf8'));
    return importedFiles.map(({ fileName }) => ({ file, specifier: fileName }));
  });
}

/** Neither is published: tsconfig.build.json leaves them out. */
function isOfTests(file: string): boolean {
  return file.endsWith('.test.ts') || file.includes('/test-support/');
}

function isForbidden(room: Room, { file, specifier }: Import): boolean {
  if (specifier.startsWith('.')) {
    return !normalize(join(dirname(file), specifier)).startsWith(`${room.directory}/src/`);
  }
  if (!specifier.startsWith('@rowfs/')) return false;
  const allowed = isOfTests(file)
    ? [...room.mayImport, ...(room.testsMayImport ?? [])]
    : room.mayImport;
  return !allowed.includes(specifier);
}

describe('import arrows', () => {
  for (const room of rooms) {
    it(`${room.name} keeps to its arrows: ${room.because}`, () => {
      const imports = importsOf(room);
      assert.ok(imports.length > 0, `nothing was read in ${room.directory}`);
      const forbidden = imports.filter((each) => isForbidden(room, each));
      assert.deepEqual(forbidden, []);
    });

    it(`${room.name} declares exactly the rooms it imports`, () => {
      const manifest = JSON.parse(
        readFileSync(join(repository, room.directory, 'package.json'), 'utf8'),
      ) as { dependencies?: Record<string, string> };
      const declared = Object.keys(manifest.dependencies ?? {}).filter((n) =>
        n.startsWith('@rowfs/'),
      );
      const imported = importsOf(room)
        .filter(({ file, specifier }) => specifier.startsWith('@rowfs/') && !isOfTests(file))
        .map(({ specifier }) => specifier);
      assert.deepEqual(new Set(imported), new Set(declared));
    });
  }

  it('every room of the repository is listed here', () => {
    const manifests = globSync('{packages/*,*}/package.json', { cwd: repository });
    const found = manifests
      .map(dirname)
      .filter((d) => d !== 'test' && d !== '.' && d !== 'node_modules');
    assert.deepEqual(new Set(rooms.map((room) => room.directory)), new Set(found));
  });
});
