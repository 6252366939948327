import { join } from 'node:path';
import type { Identity, Mandate } from '@rowfs/registry';
import type { CommonOptions } from './options.ts';

/** The key that signs for this user's appliances. */
export function publisherKeyPath({ state }: Pick<CommonOptions, 'state'>): string {
  return join(state, 'publisher.key');
}

/** Where it is kept what lets the key sign for ids that name an earlier one. */
export function mandatePath({ state }: Pick<CommonOptions, 'state'>): string {
  return join(state, 'publisher.mandate');
}

/** This user's key, and what it may sign for. */
export interface PublisherKey {
  readonly key: Identity;
  readonly mandate: Mandate;
}

/** @throws RegistryError KEY_UNREADABLE, KEY_PERMISSIONS */
export async function loadPublisherKey(
  context: Pick<CommonOptions, 'state'>,
): Promise<PublisherKey> {
  const { loadKey, readMandate } = await import('@rowfs/registry');
  const key = await loadKey(publisherKeyPath(context));
  return { key, mandate: await readMandate(mandatePath(context), key.peerId) };
}

/** @throws RegistryError KEY_UNREADABLE, KEY_PERMISSIONS */
export async function loadMandate(context: Pick<CommonOptions, 'state'>): Promise<Mandate> {
  return (await loadPublisherKey(context)).mandate;
}

/** This user's appliances that were published from here. */
export async function publishedAppliances(
  context: Pick<CommonOptions, 'state'>,
): Promise<string[]> {
  const { PublishedAppliances } = await import('@rowfs/registry');
  const { publisher } = await loadMandate(context);
  const all = await new PublishedAppliances(context.state).list();
  return all.filter((appliance) => appliance.endsWith(`@${publisher}`));
}
