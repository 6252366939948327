import { openImageLower } from './image-lower.ts';
import type { Lower, LowerOptions } from './lower.ts';
import { openPlainLower } from './plain-lower.ts';

/** @throws ProxyError NOT_FETCHABLE when the manifest is neither here nor on any server; STATE_UNUSABLE */
export function openLower(options: LowerOptions): Promise<Lower> {
  const { digest } = options;
  return digest === undefined ? openPlainLower(options) : openImageLower({ ...options, digest });
}
