/** The thread of its own in which stretches of files are read and digested: see hash-files.ts. */
import { parentPort } from 'node:worker_threads';
import { ImageError } from './error.ts';
import type { HashAnswer, HashTask } from './hash-files.ts';
import { readBlocks } from './read-blocks.ts';

parentPort?.on('message', ({ id, blockSize, stretches }: HashTask) => {
  let answer: HashAnswer;
  try {
    answer = { id, contents: stretches.map((stretch) => readBlocks(stretch, blockSize)) };
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    const { code, message } = error;
    answer = { id, error: { code, message } };
  }
  parentPort?.postMessage(answer);
});
