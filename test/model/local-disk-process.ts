/** The process that operates the directory; see {@link LocalDisk} in local-disk.ts. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { umask } from 'node:process';
import { DiskOperations } from './disk-operations.ts';
import { DiskTree } from './disk-tree.ts';
import { populate } from './image.ts';
import type { DiskRequest } from './local-disk.ts';

interface Begun {
  readonly tree: DiskTree;
  readonly operations: DiskOperations;
}

let begun: Begun | undefined;

function answerOf(request: DiskRequest): unknown {
  if (request.kind === 'begin') {
    const root = join(request.directory, 'root');
    const workshop = join(request.directory, 'workshop');
    mkdirSync(root);
    mkdirSync(workshop);
    populate(root);
    const tree = new DiskTree(root);
    begun = { tree, operations: new DiskOperations(tree, workshop) };
    return { paths: tree.numberAll() };
  }
  if (begun === undefined) throw new Error('no directory was begun');
  const { tree, operations } = begun;
  switch (request.kind) {
    case 'perform':
      return operations.perform(request.operation, request.caller);
    case 'state':
      return tree.state();
    case 'end':
      tree.close();
      begun = undefined;
      return undefined;
  }
}

umask(0);
process.on('message', (request: DiskRequest) => {
  try {
    process.send?.({ answer: answerOf(request) });
  } catch (error) {
    process.send?.({ failed: error instanceof Error ? error.stack : String(error) });
  }
});
process.on('disconnect', () => process.exit());
process.send?.('ready');
