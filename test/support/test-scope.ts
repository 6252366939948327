/** What one test owns: a temporary directory, and processes and sockets that must end with it. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** Printed of each log when a test fails: enough for the cause, not the whole boot of a guest. */
const LOG_TAIL_LINES = 60;

export class TestScope {
  readonly directory: string;
  readonly #closers: (() => Promise<void>)[] = [];

  constructor(directory: string) {
    this.directory = directory;
  }

  /** Closes `resource` when the test ends; last owned, first closed. */
  own<T extends { close(): Promise<void> }>(resource: T): T {
    this.#closers.push(() => resource.close());
    return resource;
  }

  /** Closes everything and removes the directory. Every closer runs; the first failure is thrown. */
  async close({ printLogs }: { printLogs: boolean }): Promise<void> {
    const failures: unknown[] = [];
    for (const close of this.#closers.reverse()) {
      await close().catch((error: unknown) => failures.push(error));
    }
    if (printLogs) await printLogTails(this.directory);
    await rm(this.directory, { recursive: true, force: true });
    if (failures.length > 0) throw failures[0];
  }
}

/** `TestContext.passed` of Node 21.7, which its type declarations do not have yet. */
type FinishedTest = TestContext & { readonly passed: boolean };

/**
 * The scope of the running test: closed after it; if it failed, its `*.log` files are printed. Ask for it in
 * the test that uses it: a parent does not know yet that one of its subtests failed.
 */
export async function testScope(t: TestContext): Promise<TestScope> {
  const scope = new TestScope(await mkdtemp(join(tmpdir(), 'rowfs-test-')));
  t.after(() => scope.close({ printLogs: !(t as FinishedTest).passed }));
  return scope;
}

async function printLogTails(directory: string): Promise<void> {
  for (const name of (await readdir(directory)).filter((entry) => entry.endsWith('.log')).sort()) {
    const lines = (await readFile(join(directory, name), 'latin1')).trimEnd().split('\n');
    const tail = lines.slice(-LOG_TAIL_LINES).map((line) => `  | ${line}`);
    process.stderr.write(`--- ${name} (last ${tail.length} lines)\n${tail.join('\n')}\n`);
  }
}
