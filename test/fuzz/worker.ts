/** The thread in which a parser runs: whatever an input does to it, the main thread can tell. */
import { parentPort, workerData } from 'node:worker_threads';
import { findingIn, fuzz, type FuzzResult } from './fuzzer.ts';
import { parserNamed } from './parsers/index.ts';
import { Progress } from './progress.ts';

export interface Task {
  readonly parser: string;
  readonly seconds: number;
  readonly seed: number;
  /** When it is given, only this input is run. */
  readonly input: Uint8Array | undefined;
  /** The memory of the {@link Progress}. */
  readonly memory: SharedArrayBuffer;
}

const task = workerData as Task;
const parser = parserNamed(task.parser);
if (parser === undefined) throw new Error(`no parser is named ${task.parser}`);
const progress = new Progress(task.memory);

let result: FuzzResult;
if (task.input === undefined) {
  const { seconds, seed } = task;
  result = await fuzz(parser, { seconds, seed, begins: (input) => progress.begin(input) });
} else {
  progress.begin(task.input);
  const finding = await findingIn(parser, task.input);
  result = { executions: 1, corpus: 0, findings: finding === undefined ? [] : [finding] };
}
parentPort?.postMessage(result);
