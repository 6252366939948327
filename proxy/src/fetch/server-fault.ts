/**
 * What a server does that no server of the image would:
 *
 * - BAD_BLOCK: the bytes are not those of the image.
 * - SHORT_READ: the file ends before the image's does, or comes in crumbs.
 * - MISSING_FILE: a name of the image is not there.
 * - READ_FAILED: a file of the image cannot be read there.
 * - WRONG_MANIFEST: its tree says of itself that it is another image.
 * - BAD_REPLY: the answer is impossible: longer than asked for, or no answer of the protocol at all.
 */
export type ServerFaultCode =
  'BAD_BLOCK' | 'SHORT_READ' | 'MISSING_FILE' | 'READ_FAILED' | 'WRONG_MANIFEST' | 'BAD_REPLY';

/** A fault of one server, which others need not have: its message does not name the server. */
export class ServerFault extends Error {
  override readonly name = 'ServerFault';
  readonly code: ServerFaultCode;

  constructor(code: ServerFaultCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
