import { close, fsync, open, constants } from 'node:fs';
import { promisify } from 'node:util';

const openOf = promisify(open);
const fsyncOf = promisify(fsync);
const closeOf = promisify(close);

/** Brings the names in a directory to stable storage: what was made, removed and renamed there. */
export async function syncDirectory(path: string): Promise<void> {
  const descriptor = await openOf(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await fsyncOf(descriptor);
  } finally {
    await closeOf(descriptor);
  }
}
