import { z } from 'zod';
import { decodeCbor } from '../records/signed-record.ts';
import type { Store } from '../store.ts';

const envelopeSchema = z.tuple([z.string(), z.instanceof(Uint8Array), z.instanceof(Uint8Array)]);
const headlineSchema = z.object({
  appliance: z.string(),
  version: z.string(),
  seq: z.number(),
  published: z.number(),
  validUntil: z.number(),
});

/** What this node itself has of an appliance, without asking anyone. Times in ms since the epoch. */
export interface KnownAppliance extends z.infer<typeof headlineSchema> {
  /** Whether it is one of the nodes that store the record for others. */
  readonly stored: boolean;
}

/**
 * The appliances whose `latest` record this node stores for others or has read for itself, by id.
 * The records were judged when they were taken; nothing is verified again.
 */
export function knownAppliances(store: Store): KnownAppliance[] {
  const known = new Map<string, KnownAppliance>();
  for (const headline of headlines(store, 'latest/')) {
    known.set(headline.appliance, { ...headline, stored: true });
  }
  for (const headline of headlines(store, 'floor/')) {
    const held = known.get(headline.appliance);
    if (held !== undefined && held.seq >= headline.seq) continue;
    known.set(headline.appliance, { ...headline, stored: held !== undefined });
  }
  return [...known.values()].sort((a, b) => (a.appliance < b.appliance ? -1 : 1));
}

function headlines(store: Store, prefix: string): z.infer<typeof headlineSchema>[] {
  return store.entries(prefix).map(([, bytes]) => {
    const [, payload] = envelopeSchema.parse(decodeCbor(bytes));
    return headlineSchema.parse(decodeCbor(payload));
  });
}
