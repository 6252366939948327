import type { Latest, SignedLatest } from './latest.ts';

/** As long a validity as before, from now on. */
export function validityOf(
  { published, validUntil }: Pick<Latest, 'published' | 'validUntil'>,
  now: number,
): { validUntil: number } {
  return { validUntil: now + Math.max(validUntil - published, 0) };
}

/** Whether half of the time for which it was signed has passed. */
export function isDueForRenewal({ payload }: SignedLatest, now: number): boolean {
  return now >= (payload.published + payload.validUntil) / 2;
}
