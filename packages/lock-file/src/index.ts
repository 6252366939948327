export { lockFile, lockHolder } from './lock-file.ts';
export { LockHeldError } from './lock-held-error.ts';
export { processStart } from './process-start.ts';
export { withLockFile, type WaitOptions } from './with-lock-file.ts';
