import type { ImageServer } from '../locator.ts';
import { createProxy } from '../proxy.ts';

/** What a proxy in a process of its own is started with, as JSON in the first argument. */
export interface ProxyProcessOptions {
  readonly stateDirectory: string;
  readonly version: string;
  readonly servers: readonly ImageServer[];
  readonly ephemeral?: boolean;
  readonly digest?: string;
  readonly manifestBytes?: number;
}

const options = JSON.parse(process.argv[2] ?? '') as ProxyProcessOptions;
const { stateDirectory, ephemeral = false, ...of } = options;
const locator = { locate: async () => ({ appliance: 'app', ...of }) };
const proxy = await createProxy({ stateDirectory, locator, ephemeral });
process.send?.(proxy.address);
