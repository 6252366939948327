#!/usr/bin/env node
import { enableCompileCache } from 'node:module';
import { restartWithSmallHeap } from './small-heap.ts';

// Wherever the command stands between options: for another one that has such an argument it is vain.
if (['proxy', 'boot', 'node', 'serve'].some((name) => process.argv.includes(name)))
  restartWithSmallHeap();

// Most of a short command's time is compiling what it imports.
enableCompileCache();
const { run } = await import('./run.ts');

// A reader that has seen enough, such as head, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

process.exitCode = await run(process.argv);
