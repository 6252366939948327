import { openImage } from './image-lower.ts';
import type { Lower, LowerOptions } from './lower.ts';
import { openPlainLower } from './plain-lower.ts';

/** @throws ProxyError NOT_FETCHABLE when the manifest is neither here nor on any server; STATE_UNUSABLE */
export async function openLower(options: LowerOptions): Promise<Lower> {
  const { digest } = options;
  if (digest === undefined) return openPlainLower(options);
  const image = await openImage({ ...options, digest });
  const lower = image.lower();
  return {
    ...lower,
    async close() {
      await lower.close();
      await image.close();
    },
  };
}
