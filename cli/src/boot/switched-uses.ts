import type { Location, UseLease, UseRegistry } from '@rowfs/proxy';

/**
 * A use that pauses while the machine is switched off: its root goes on being served, should that have been a
 * mistake, but the version may be deleted.
 */
export class SwitchedUses implements UseRegistry {
  readonly #uses: UseRegistry;
  #held: { readonly location: Location; lease: UseLease | undefined } | undefined;
  #isOn = true;

  constructor(uses: UseRegistry) {
    this.#uses = uses;
  }

  async hold(location: Location): Promise<UseLease> {
    const held = { location, lease: this.#isOn ? await this.#uses.hold(location) : undefined };
    this.#held = held;
    return {
      release: async () => {
        this.#held = undefined;
        await held.lease?.release();
      },
    };
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  /** @throws what the registry throws; nothing is changed then */
  async switch(isOn: boolean): Promise<void> {
    if (isOn === this.#isOn) return;
    const held = this.#held;
    if (held !== undefined) {
      if (isOn) held.lease = await this.#uses.hold(held.location);
      else await held.lease?.release();
      if (!isOn) held.lease = undefined;
    }
    this.#isOn = isOn;
  }
}
