import { join } from 'node:path';
import envPaths from 'env-paths';

/**
 * What V8 may take beyond what is in use; it reads this only when it starts. Its own default lets
 * short-lived objects pile up to 100 MB and the heap double before it looks for what is unused.
 */
const SMALL_HEAP = ['--max-semi-space-size=4', '--heap-growing-percent=30'];

/**
 * Replies are received into buffers of 1 MiB outside of the heap, which die young: the next scavenge frees
 * them. With them V8 is for ever marking the whole heap in small steps, which took about half of a READ's
 * processor time; without steps it marks seldom, and all at once. While large files are read, the proxy
 * takes 15 to 35 MB more.
 */
const MARK_AT_ONCE = ['--no-incremental-marking'];

/**
 * So small a young generation is collected so often that what calls in flight are made of survives each
 * time, and V8 comes to place such objects among the old ones at once. There they die as soon, and the
 * whole heap was marked ten times a second for them: a third of the processor time of a LOOKUP.
 */
const ALLOCATE_YOUNG = ['--no-allocation-site-pretenuring'];

const FLAGS = [...SMALL_HEAP, ...MARK_AT_ONCE, ...ALLOCATE_YOUNG];

/**
 * What glibc reads when the process starts (mallopt(3)), where nobody chose otherwise: threads share two
 * heaps. Its threshold for memory maps is left alone: with a low one every buffer that replies are received
 * into is mapped anew, which took READ a third of its speed.
 */
const ALLOCATOR = { MALLOC_ARENA_MAX: '2' };

/**
 * Begins this process anew, as the same one to everybody else, with flags that keep its heap small
 * and collecting it cheap: for commands that run for weeks. Returns when it has them already, or where Node cannot do it.
 */
export function restartWithSmallHeap(): void {
  if (process.execve === undefined || FLAGS.every((flag) => process.execArgv.includes(flag)))
    return;
  const args = [...process.execArgv, ...FLAGS, ...process.argv.slice(1)];
  // From the first module on: what strips types of the first one would stay in memory for good. In a
  // directory of the user's own: what is in it is run.
  const NODE_COMPILE_CACHE = join(envPaths('rowfs', { suffix: '' }).cache, 'compiled');
  const env = { ...ALLOCATOR, NODE_COMPILE_CACHE, ...process.env };
  process.execve(process.execPath, [process.argv0, ...args], env);
}
