import { open, readFile, rename } from 'node:fs/promises';
import { z } from 'zod';
import { messageOf, RegistryError } from './errors.ts';
import type { Mandate } from './latest-writer.ts';
import { authorityOf, keyProofsShape } from './records/succession.ts';
import { decodeCbor, encodeCbor } from './records/signed-record.ts';

const mandateSchema = z.strictObject({ publisher: z.string(), ...keyProofsShape });

/**
 * Reads what the key `signer` may sign for; without a file, for itself.
 *
 * @throws RegistryError KEY_UNREADABLE when the file is not about this key
 */
export async function readMandate(path: string, signer: string): Promise<Mandate> {
  try {
    const mandate = mandateSchema.parse(decodeCbor(await readFile(path)));
    const authority = authorityOf(mandate.publisher, mandate);
    // A revoked key is known to be so by what it tries to write.
    if (authority.signer === signer || authority.revokedAt !== undefined) return mandate;
    throw new Error(`it is about the key ${authority.signer}, not ${signer}`);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      return { publisher: signer };
    }
    throw new RegistryError('KEY_UNREADABLE', `cannot use ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Whole and durable: written aside, synced, renamed. */
export async function writeMandate(path: string, mandate: Mandate): Promise<void> {
  const file = await open(`${path}.tmp`, 'w', 0o600);
  try {
    await file.writeFile(encodeCbor(mandate));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.tmp`, path);
}
