export {
  openShadow,
  redirectOnWrite,
  type RedirectOnWriteOptions,
  type Shadow,
  ShadowError,
  type ShadowErrorCode,
  type ShadowOptions,
  type ShadowOwner,
  type ShadowStatistics,
} from './row/index.ts';
