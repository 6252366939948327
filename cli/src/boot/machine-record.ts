import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { BootRecord } from '@rowfs/boot';
import { z } from 'zod';
import { CliError, lineOf } from '../errors.ts';

const schema = z.object({
  booted: z.string(),
  since: z.number(),
  isUp: z.boolean(),
  good: z.string().exactOptional(),
  before: z.string().exactOptional(),
  failed: z.string().exactOptional(),
});

/**
 * What is known of a machine's boots, from its file; undefined before its first one.
 *
 * @throws CliError STATE_UNUSABLE
 */
export async function readBootRecord(path: string): Promise<BootRecord | undefined> {
  try {
    return schema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new CliError('STATE_UNUSABLE', `cannot use ${path}: ${lineOf(error)}`, { cause: error });
  }
}

/** On disk when it resolves; a crash leaves the old one or this. */
export async function writeBootRecord(path: string, record: BootRecord): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeFile(`${path}.new`, JSON.stringify(record), { flush: true });
  await rename(`${path}.new`, path);
}
