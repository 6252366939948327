export { XdrError, type XdrErrorCode } from './error.ts';
export { paddingOf, XdrReader } from './reader.ts';
export { XdrWriter } from './writer.ts';
