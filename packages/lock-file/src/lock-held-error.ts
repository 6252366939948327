/** A living process has the lock. */
export class LockHeldError extends Error {
  override readonly name = 'LockHeldError';
  readonly code = 'LOCK_HELD';
  readonly path: string;
  readonly pid: number;

  constructor(path: string, pid: number) {
    super(`process ${pid} has the lock file ${path}`);
    this.path = path;
    this.pid = pid;
  }
}
