/** What was opened, to be closed in the reverse order. */
export class Cleanup {
  readonly #steps: (() => Promise<void>)[] = [];

  add(close: () => Promise<void>): void {
    this.#steps.push(close);
  }

  /** Runs every step, whatever fails. @throws the first failure, when all steps were run. */
  async run(): Promise<void> {
    const failures: unknown[] = [];
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop())
      await step().catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  }
}
