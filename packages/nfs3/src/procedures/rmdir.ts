import { removal, type RemovalArgs, type RemovalResult } from './removal.ts';

/** RMDIR, RFC 1813 section 3.3.13. */
export type RmdirArgs = RemovalArgs;
export type RmdirResult = RemovalResult;

export const rmdir = removal(13);
