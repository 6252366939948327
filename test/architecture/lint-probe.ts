/** What the linter must catch: a promise nobody waits for, made through an imported interface. */
import type { Nfs3Service } from '@rowfs/nfs3';

export function dropsAPromise(
  service: Nfs3Service,
  ...args: Parameters<Nfs3Service['commit']>
): void {
  service.commit(...args);
}
