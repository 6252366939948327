import { z } from 'zod';
import { isApplianceId, isVersion } from '../appliance-id.ts';

/** The shortest lease a node grants: shorter ones would be mostly refreshes. */
export const MIN_LEASE_TTL_SECONDS = 1;
/** The longest: how long a version can look used after its last client died. */
export const MAX_LEASE_TTL_SECONDS = 3600;

/**
 * A client's wish to count as a sharer. It is not signed: the client is whoever the
 * authenticated connection says, and the TTL counts from receipt, so no clock is trusted.
 */
export const leaseSchema = z.strictObject({
  appliance: z.string().refine(isApplianceId, 'not an appliance id'),
  version: z.string().refine(isVersion, 'not a version'),
  /** Lets one client hold several leases, one per mount. */
  lease: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/, 'not a lease name'),
  ttlSeconds: z.number().min(MIN_LEASE_TTL_SECONDS).max(MAX_LEASE_TTL_SECONDS),
});

export type Lease = z.infer<typeof leaseSchema>;

/** One holder of a lease. */
export interface Sharer {
  /** The client's peer id, proven by its connection. */
  readonly client: string;
  readonly lease: string;
}
