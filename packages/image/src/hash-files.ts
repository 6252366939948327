import { availableParallelism } from 'node:os';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { ImageError, type ImageErrorCode } from './error.ts';
import { joinContents, type Stretch } from './read-blocks.ts';
import type { ScannedFile } from './scan-directory.ts';
import type { FileContent } from './tree.ts';

export interface HashTask {
  readonly id: number;
  readonly blockSize: number;
  readonly stretches: readonly Stretch[];
}

export type HashAnswer =
  | { readonly id: number; readonly contents: readonly FileContent[] }
  | { readonly id: number; readonly error: { code: ImageErrorCode; message: string } };

/** Longer files are read by several threads. A multiple of every block size. */
const STRETCH_BYTES = 32 * 1024 * 1024;
/** So much work goes to a thread at a time: enough that asking costs nothing beside it. */
const TASK_BYTES = 8 * 1024 * 1024;
const TASK_STRETCHES = 256;
/** A thread that ends one task finds the next one waiting. */
const TASKS_PER_THREAD = 2;

interface Task {
  readonly work: { readonly file: ScannedFile; readonly stretch: Stretch }[];
  bytes: number;
}

export interface HashOptions {
  readonly blockSize: number;
  readonly signal: AbortSignal | undefined;
  /** Told after each task how many bytes more are done. */
  readonly onBytes: (bytes: number) => void;
}

/**
 * Reads the files and gives their inodes their content, with a thread for each core.
 *
 * @throws ImageError TREE_CHANGED, UNREADABLE, ABORTED
 */
export async function hashFiles(
  files: readonly ScannedFile[],
  { blockSize, signal, onBytes }: HashOptions,
): Promise<void> {
  const tasks = tasksOf(files);
  const parts = new Map<ScannedFile, FileContent[]>();
  for (const file of files) parts.set(file, []);
  let next = 0;
  const threads = Array.from(
    { length: Math.min(availableParallelism(), Math.ceil(tasks.length / TASKS_PER_THREAD)) },
    // Beside the sources it is a .ts file, and beside what was built of them a .js file.
    () => new Worker(new URL(`hash-worker${extname(import.meta.url)}`, import.meta.url)),
  );
  const results: (readonly FileContent[])[] = [];
  const ended = new AbortController();
  try {
    await Promise.all(
      threads.map(
        (thread) =>
          new Promise<void>((resolve, reject) => {
            let running = 0;
            const give = (): void => {
              const id = next;
              const task = tasks[id];
              if (task === undefined) {
                if (running === 0) resolve();
                return;
              }
              next += 1;
              running += 1;
              const stretches = task.work.map(({ stretch }) => stretch);
              thread.postMessage({ id, blockSize, stretches } satisfies HashTask);
            };
            thread.on('message', (answer: HashAnswer) => {
              running -= 1;
              if ('error' in answer) {
                const { code, message } = answer.error;
                reject(new ImageError(code, message));
                return;
              }
              results[answer.id] = answer.contents;
              onBytes(tasks[answer.id]?.bytes ?? 0);
              give();
            });
            thread.once('error', reject);
            thread.once('exit', (status) => {
              reject(new Error(`a thread that reads files ended with status ${status}`));
            });
            signal?.addEventListener('abort', () => reject(interrupted()), {
              signal: ended.signal,
            });
            if (signal?.aborted === true) reject(interrupted());
            for (let i = 0; i < TASKS_PER_THREAD; i += 1) give();
          }),
      ),
    );
  } finally {
    ended.abort();
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
  tasks.forEach(({ work }, id) => {
    work.forEach(({ file }, i) => {
      const content = results[id]?.[i];
      if (content !== undefined) parts.get(file)?.push(content);
    });
  });
  for (const [file, contents] of parts) file.inode.content = joinContents(contents);
}

function interrupted(): ImageError {
  return new ImageError('ABORTED', 'the work was interrupted');
}

function tasksOf(files: readonly ScannedFile[]): Task[] {
  const tasks: Task[] = [];
  let task: Task | undefined;
  for (const file of files) {
    const { path, identity, inode } = file;
    for (let start = 0; start < inode.size; start += STRETCH_BYTES) {
      const end = Math.min(start + STRETCH_BYTES, inode.size);
      if (
        task === undefined ||
        task.work.length >= TASK_STRETCHES ||
        task.bytes + end - start > TASK_BYTES
      ) {
        task = { work: [], bytes: 0 };
        tasks.push(task);
      }
      const { ino, size, mtimeNs, ctimeNs } = identity;
      const stretch = { path, identity: { ino, size, mtimeNs, ctimeNs }, start, end };
      task.work.push({ file, stretch });
      task.bytes += end - start;
    }
  }
  return tasks;
}
