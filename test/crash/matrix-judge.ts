import { ExpectedTree } from './expected-tree.ts';
import type { MatrixRow } from './matrix-rows.ts';
import { requestKey, type SeenTree } from './operation.ts';
import type { Seen, UnansweredCall } from './reader.ts';
import type { FileEvent } from './system-call-log.ts';

/** What clients were told by some moment. */
export interface Told {
  /** Of the root, once the shadow was opened and mounted. */
  readonly root: string | undefined;
  /** writeverf3, when the shadow was opened and when it was closed. */
  readonly verifiers: readonly string[];
  /** For each client, in order: the handle that each of its operations gave, or none. */
  readonly handles: readonly (readonly (string | undefined)[])[];
  readonly closed: boolean;
}

/** @param at line of the log. */
export function toldBefore(row: MatrixRow, events: readonly FileEvent[], at: number): Told {
  const handles = row.clients.map((): (string | undefined)[] => []);
  const verifiers: string[] = [];
  let root: string | undefined;
  let closed = false;
  for (const event of events) {
    if (event.kind !== 'output' || event.end >= at) continue;
    const [, what = '', handle = '', verifier = ''] = event.text.trim().split(' ');
    if (what === 'opened') root = handle;
    else if (what === 'closed') closed = true;
    else handles[Number(what)]?.push(handle === '-' ? undefined : handle);
    if (verifier !== '') verifiers.push(verifier);
  }
  return { root, verifiers, handles, closed };
}

/** What clients have sent, or were about to, and were not told the answer of: one call each at most. */
export function unansweredCalls({ clients }: MatrixRow, { handles }: Told): UnansweredCall[] {
  return clients.flatMap((operations, client) => {
    const index = handles[client]?.length ?? 0;
    const operation = operations[index];
    return operation ? [{ operation, requestKey: requestKey(client, index) }] : [];
  });
}

/** What is lost, half done or wrong after a crash in the middle of a row; nothing when all is well. */
export function problemsAfter(
  row: MatrixRow,
  before: SeenTree,
  told: Told,
  seen: Seen | string,
): string[] {
  if (typeof seen === 'string') return [`it cannot be opened and read: ${seen}`];
  const problems = [...treeProblems(row, before, told, seen.trees[0] ?? {})];
  problems.push(...problemsOfReSent(row, told, seen));
  for (const file of seen.leftBehind) problems.push(`data file ${file} belongs to nobody`);
  for (const problem of seen.problems) problems.push(`fsck finds ${problem}`);
  for (const path of seen.unclaimed) problems.push(`${path} does not answer to its CREATE again`);
  if (told.root !== undefined && seen.roots[0] !== told.root) {
    problems.push('the root has another handle');
  }
  if (told.verifiers.includes(seen.verifier)) problems.push('the write verifier came again');
  if (new Set(told.verifiers).size > 1) problems.push('the write verifier changed without a loss');
  const known = new Set([
    ...told.handles.flat(),
    ...Object.values(before).map((each) => each.handle),
  ]);
  if (row.before !== undefined && known.has(seen.newHandle)) {
    problems.push('a handle was given a second time');
  }
  return problems;
}

/** With what was on its way done or not, for each client on its own; the closest is told. */
function treeProblems(row: MatrixRow, before: SeenTree, told: Told, seen: SeenTree): string[] {
  const expected = acknowledgedTree(row, before, told);
  let candidates = [expected];
  for (const { operation } of unansweredCalls(row, told)) {
    candidates = candidates.flatMap((candidate) => {
      const done = candidate.clone();
      done.begin(operation);
      return [candidate, done];
    });
  }
  const differences = candidates.map((candidate) => candidate.differences(seen));
  return differences.toSorted((a, b) => a.length - b.length)[0] ?? [];
}

/** What was not answered and is sent again succeeds, and has then happened, once, to what the crash left. */
function problemsOfReSent(row: MatrixRow, told: Told, { trees, reSent }: Seen): string[] {
  if (reSent === undefined) return [];
  if (typeof reSent === 'string') return [`sent again: ${reSent}`];
  const expected = ExpectedTree.of(trees[0] ?? {});
  for (const [index, { operation }] of unansweredCalls(row, told).entries())
    expected.acknowledge(operation, reSent.handles[index] ?? undefined);
  return expected.differences(reSent.tree).map((difference) => `sent again: ${difference}`);
}

/** What is to be there of what was acknowledged. */
function acknowledgedTree(
  { before: hasShadow, clients }: MatrixRow,
  before: SeenTree,
  { handles, closed }: Told,
): ExpectedTree {
  const expected = ExpectedTree.of(before);
  // Handles of a shadow that is made here are not known before.
  if (hasShadow === undefined) expected.forgetHandles();
  for (const [client, operations] of clients.entries()) {
    for (const [index, handle] of (handles[client] ?? []).entries()) {
      const operation = operations[index];
      if (operation !== undefined) expected.acknowledge(operation, handle);
    }
  }
  if (closed) expected.closed();
  return expected;
}
