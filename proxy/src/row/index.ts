export {
  openShadow,
  type Shadow,
  type ShadowOptions,
  type ShadowOwner,
  type ShadowStatistics,
} from './shadow.ts';
export { redirectOnWrite, type RedirectOnWriteOptions } from './layer.ts';
export { ShadowError, type ShadowErrorCode } from './shadow-error.ts';
