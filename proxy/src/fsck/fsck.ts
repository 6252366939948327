import { existsSync, mkdirSync, truncateSync, unlinkSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { readShadow } from '../inspect/read-shadow.ts';
import { lockShadow } from '../shadow/lock-shadow.ts';
import { recordsPath } from '../shadow/make-shadow.ts';
import { ShadowError } from '../shadow/shadow-error.ts';
import { RecordStore, settleJournal } from '../store/record-store.ts';
import { syncDirectory } from '../store/sync-directory.ts';
import { checkContents } from './check-contents.ts';
import { checkDirectories } from './check-directories.ts';
import { checkEntries } from './check-entries.ts';
import { checkFacts } from './check-facts.ts';
import { checkNodes } from './check-nodes.ts';
import { checkPaths } from './check-paths.ts';
import type { Finding, Mend, Problem } from './problem.ts';

export interface FsckOptions {
  /** Mend what can be mended without a guess. Default false: nothing is changed. */
  readonly repair?: boolean;
}

/** Mending one thing can show another; more rounds than this are no progress. */
const MAX_ROUNDS = 8;

/**
 * Checks every invariant of the shadow in `directory`, without its image. It is locked meanwhile.
 *
 * @returns all that is wrong, mended ones first; nothing for a shadow as it should be.
 * @throws ShadowError SHADOW_IN_USE, SHADOW_CORRUPT (unknown format), SHADOW_UNUSABLE (no shadow is
 *   there, or its records cannot be opened at all)
 */
export async function fsck(directory: string, options: FsckOptions = {}): Promise<Problem[]> {
  const path = resolve(directory);
  if (!existsSync(recordsPath(path)))
    throw new ShadowError('SHADOW_UNUSABLE', `there is no shadow in ${path}`);
  const unlock = lockShadow(join(path, 'lock'));
  try {
    // A crash is no damage: what it left in the journal is as good as written.
    await settleJournal(recordsPath(path));
    const mended: Problem[] = [];
    for (let round = 0; ; round += 1) {
      const findings = await find(path);
      const mendable = findings.filter((finding) => finding.mend !== undefined);
      if (options.repair !== true || mendable.length === 0 || round === MAX_ROUNDS)
        return [...mended, ...findings.map((finding) => problem(finding, false))];
      const chosen = withoutClashes(mendable);
      await apply(path, chosen);
      mended.push(...chosen.map((finding) => problem(finding, true)));
    }
  } finally {
    unlock();
  }
}

function problem({ code, what, leftover = false }: Finding, mended: boolean): Problem {
  return { code, what, leftover, mended };
}

function find(directory: string): Promise<Finding[]> {
  return readShadow(directory, (scan) => [
    ...scan.findings,
    ...checkFacts(scan),
    ...checkEntries(scan),
    ...checkDirectories(scan),
    ...checkNodes(scan),
    ...checkContents(scan),
    ...checkPaths(scan),
  ]);
}

/** Records in one transaction, so that what belongs together is mended together or not at all. */
async function apply(directory: string, findings: readonly Finding[]): Promise<void> {
  const writes = new Map<string, Buffer | undefined>();
  for (const { mend } of findings)
    if (mend !== undefined && 'writes' in mend)
      for (const [key, value] of mend.writes) writes.set(key, value);
  if (writes.size > 0) {
    const records = new RecordStore(recordsPath(directory), () => undefined);
    try {
      records.stage(writes);
      await records.durable();
    } finally {
      await records.close();
    }
  }
  for (const { mend } of findings) if (mend !== undefined) await mendFile(mend);
}

/** Of two mends of one record the second one waits for the next round, which sees the first. */
function withoutClashes(findings: readonly Finding[]): Finding[] {
  const taken = new Set<string>();
  return findings.filter(({ mend }) => {
    if (mend === undefined || !('writes' in mend)) return true;
    const keys = [...mend.writes.keys()];
    if (keys.some((key) => taken.has(key))) return false;
    for (const key of keys) taken.add(key);
    return true;
  });
}

async function mendFile(mend: Mend): Promise<void> {
  if ('remove' in mend) {
    unlinkSync(mend.remove);
    await syncDirectory(dirname(mend.remove));
  } else if ('cut' in mend) {
    truncateSync(mend.cut, mend.size);
    const file = await open(mend.cut, 'r+');
    await file.sync().finally(() => file.close());
  } else if ('makeDirectory' in mend) {
    mkdirSync(mend.makeDirectory, { recursive: true, mode: 0o700 });
    await syncDirectory(dirname(mend.makeDirectory));
  }
}
