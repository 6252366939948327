import type { Location, UseLease, UseRegistry } from '@rowfs/proxy';

/**
 * Uses of several proxies, announced as one: to the registry they are one client, whose lease on a version
 * is given back when the last of them does.
 */
export function sharedUses(uses: UseRegistry): UseRegistry {
  const held = new Map<string, { holders: number; readonly lease: Promise<UseLease> }>();
  return {
    async hold(location: Location): Promise<UseLease> {
      const key = JSON.stringify([location.appliance, location.version]);
      const shared = held.get(key) ?? { holders: 0, lease: uses.hold(location) };
      held.set(key, shared);
      shared.holders += 1;
      const leave = (): boolean => {
        shared.holders -= 1;
        if (shared.holders > 0) return false;
        held.delete(key);
        return true;
      };
      try {
        const lease = await shared.lease;
        let released: Promise<void> | undefined;
        return {
          release: () => (released ??= leave() ? lease.release() : Promise.resolve()),
        };
      } catch (error) {
        leave();
        throw error;
      }
    },
  };
}
