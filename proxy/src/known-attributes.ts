import type { Fattr3 } from '@rowfs/nfs3';

/** A service that knows attributes of its objects by heart, so that nobody above it has to. */
export interface KnownAttributes {
  /**
   * Those of the object that `handle` means, latin1 text of a handle of this service; undefined when
   * the service has to be asked.
   */
  knownAttributes(handle: string): Fattr3 | undefined;
}
