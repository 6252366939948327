import type { Random } from '../support/random.ts';

/** Uniform in [0, 1). */
export function uniform(random: Random): number {
  return random.uint32() / 2 ** 32;
}

/** The waiting time to an event that happens at any moment alike, of the given mean. */
export function exponential(random: Random, mean: number): number {
  return -mean * Math.log(1 - uniform(random));
}

/** Many small factors multiplied: most values near the median, a long tail (Box-Muller). */
export function logNormal(random: Random, median: number, sigma: number): number {
  const radius = Math.sqrt(-2 * Math.log(1 - uniform(random)));
  return median * Math.exp(sigma * radius * Math.cos(2 * Math.PI * uniform(random)));
}

/** The same values in another order (Fisher-Yates). */
export function shuffled<T>(random: Random, values: readonly T[]): T[] {
  const order = [...values];
  for (let i = order.length - 1; i > 0; i -= 1) {
    const j = random.below(i + 1);
    [order[i], order[j]] = [order[j] as T, order[i] as T];
  }
  return order;
}

/** The value that the share `p` (0 to 1) of the values does not exceed; 0 when there are none. */
export function quantile(values: readonly number[], p: number): number {
  const ascending = [...values].sort((a, b) => a - b);
  return ascending[Math.max(0, Math.ceil(p * ascending.length) - 1)] ?? 0;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

/** To `digits` behind the point, so that figures stay readable. */
export function rounded(value: number, digits = 1): number {
  return Number(value.toFixed(digits));
}
