import { removal, type RemovalArgs, type RemovalResult } from './removal.ts';

/** REMOVE, RFC 1813 section 3.3.12. */
export type RemoveArgs = RemovalArgs;
export type RemoveResult = RemovalResult;

export const remove = removal(12);
