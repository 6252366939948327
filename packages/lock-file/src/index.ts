export { lockFile, lockHolder } from './lock-file.ts';
export { LockHeldError } from './lock-held-error.ts';
export { withLockFile, type WaitOptions } from './with-lock-file.ts';
