/**
 * The process that is killed: each client changes its tree without end, and says so on standard
 * output before its next change: `CLIENT HANDLE`, where HANDLE is `-` when there is none to tell.
 */
import { writeSync } from 'node:fs';
import { Random } from '../support/random.ts';
import { ExpectedTree } from './expected-tree.ts';
import { CLIENTS, openOverlay, type Places } from './overlay.ts';
import { randomOperation } from './random-operation.ts';

export interface WriterTask extends Places {
  /** One for each client. */
  readonly seeds: readonly number[];
}

const STDOUT = 1;
const task = JSON.parse(process.argv[2] ?? '') as WriterTask;
const { clients } = await openOverlay(task, CLIENTS);
await Promise.all(
  clients.map(async (client, index) => {
    const tree = ExpectedTree.of(await client.readTree());
    const random = new Random(task.seeds[index] ?? 0);
    for (;;) {
      const operation = randomOperation(tree, random);
      const handle = await client.perform(operation);
      // At once: what stands in a buffer of this process would die with it.
      writeSync(STDOUT, `${index} ${handle ?? '-'}\n`);
      tree.acknowledge(operation, handle);
    }
  }),
);
