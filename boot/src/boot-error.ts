export type BootErrorCode =
  | 'BAD_SUBNET'
  | 'BAD_RANGE'
  | 'INTERFACE_UNUSABLE'
  | 'DNSMASQ_MISSING'
  | 'DNSMASQ_FAILED'
  | 'NEEDS_RIGHTS'
  | 'ANOTHER_DHCP_SERVER'
  | 'NO_KERNEL';

/** Why machines cannot be booted; the message says what to do. */
export class BootError extends Error {
  override readonly name = 'BootError';
  readonly code: BootErrorCode;

  constructor(code: BootErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
