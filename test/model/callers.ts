/** Whoever an operation is done as; what AUTH_SYS says of them. */
export interface Caller {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly gids: readonly number[];
}

/** A group that alice and bob are both in. */
export const TEAM = 50;

export const ROOT: Caller = { name: 'root', uid: 0, gid: 0, gids: [] };
export const ALICE: Caller = { name: 'alice', uid: 1000, gid: 1000, gids: [TEAM] };
export const BOB: Caller = { name: 'bob', uid: 1001, gid: 1001, gids: [TEAM, 60] };
export const MALLORY: Caller = { name: 'mallory', uid: 2000, gid: 2000, gids: [] };

export const CALLERS: readonly Caller[] = [ROOT, ALICE, BOB, MALLORY];
