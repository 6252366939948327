import { pino } from 'pino';
import { ROOT_NODE } from '../failover/node-handle.ts';
import { PathTable } from '../failover/path-table.ts';
import { RecordStore } from '../store/record-store.ts';

/**
 * Adds nodes to the path table in the directory of its first argument for as long as it lives, and
 * tells the parent of each one, `[name, node]`, when a client would have been answered.
 */
process.on('disconnect', () => process.exit());
const records = new RecordStore(process.argv[2] ?? '', () => undefined);
const table = await PathTable.open(records, pino({ level: 'silent' }));
for (let index = 0; ; index += 1) {
  const name = `seen-${index}`;
  const node = table.add(ROOT_NODE, name, undefined);
  await table.kept();
  await new Promise((resolve) => process.send?.([name, node], resolve));
}
