/** Why the operators' REST could not be started. */
export type RestErrorCode = 'PORT_IN_USE' | 'LISTEN_REFUSED';

/** An error of the REST server itself; what a request meets is answered as a problem instead. */
export class RestError extends Error {
  override readonly name = 'RestError';
  readonly code: RestErrorCode;

  constructor(code: RestErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
