/**
 * Why a proxy does not start; errors of the failover layer and of the shadow come as they are.
 *
 * - LOCATE_FAILED: the locator cannot tell who serves the image, and nothing is known from before.
 * - IMAGE_REFUSED: the locator says that this must not run, so nothing known from before does either.
 * - NO_SERVERS: the locator knows no server of the version.
 * - STATE_UNUSABLE: the state directory cannot be read or written.
 * - EXPORT_UNREADABLE: a server does not give a file of its export.
 * - NOT_AS_PUBLISHED: what a server has is not what was published with the version.
 * - NOT_FETCHABLE: no server gives what was published with the version, such as its manifest.
 * - PORT_IN_USE, PORT_REFUSED: another program listens there, or we are not allowed to.
 */
export type ProxyErrorCode =
  | 'LOCATE_FAILED'
  | 'IMAGE_REFUSED'
  | 'NO_SERVERS'
  | 'STATE_UNUSABLE'
  | 'EXPORT_UNREADABLE'
  | 'NOT_AS_PUBLISHED'
  | 'NOT_FETCHABLE'
  | 'PORT_IN_USE'
  | 'PORT_REFUSED';

export class ProxyError extends Error {
  override readonly name = 'ProxyError';
  readonly code: ProxyErrorCode;

  constructor(code: ProxyErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
