/** Why a record was refused, at the storing node and at the reader alike. Stable: tools match on it. */
export type RefusalCode =
  | 'MALFORMED'
  | 'OVERSIZED'
  | 'FORGED_SIGNATURE'
  | 'WRONG_PUBLISHER'
  | 'WRONG_KEY'
  | 'EXPIRED'
  | 'ROLLBACK'
  | 'EQUIVOCATION'
  | 'FROM_THE_FUTURE'
  | 'REVOKED_KEY'
  | 'KEY_CONFLICT'
  | 'QUOTA_EXCEEDED';

/** Every failure of the registry that a caller may want to tell apart. */
export type RegistryErrorCode =
  | RefusalCode
  | 'KEY_UNREADABLE'
  | 'KEY_PERMISSIONS'
  | 'KEY_REVOKED'
  | 'INVALID_APPLIANCE_ID'
  | 'INVALID_VERSION'
  | 'INVALID_ADDRESS'
  | 'INVALID_CHANNEL'
  | 'NOT_A_MEMBER'
  | 'INVITATION_USED'
  | 'REGISTRY_UNREACHABLE'
  | 'LISTEN_FAILED'
  | 'STORE_FAILED'
  | 'PEER_UNREACHABLE'
  | 'PEER_TIMEOUT'
  | 'PROTOCOL_VIOLATION'
  | 'QUORUM_NOT_REACHED'
  | 'APPLIANCE_NOT_FOUND'
  | 'VERSION_NOT_FOUND'
  | 'NO_SERVERS'
  | 'SERVER_NOT_FETCHABLE'
  | 'ANOTHER_IMAGE'
  | 'PUBLISHER_BUSY'
  | 'REPLICATION_FLOOR'
  | 'PLAN_CHANGED'
  | 'CLOSED';

/** An error that names what was wrong and what to do, on one line, with a stable `code`. */
export class RegistryError extends Error {
  override readonly name: string = 'RegistryError';
  readonly code: RegistryErrorCode;

  constructor(code: RegistryErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A record that breaks a rule of its table. The peer that sent it is wrong, not the network. */
export class RecordRefusal extends RegistryError {
  override readonly name = 'RecordRefusal';
  declare readonly code: RefusalCode;

  // Only narrows the codes, which the rule does not see.
  // eslint-disable-next-line @typescript-eslint/no-useless-constructor
  constructor(code: RefusalCode, message: string, options?: ErrorOptions) {
    super(code, message, options);
  }
}

const REFUSALS: ReadonlySet<string> = new Set<RefusalCode>([
  'MALFORMED',
  'OVERSIZED',
  'FORGED_SIGNATURE',
  'WRONG_PUBLISHER',
  'WRONG_KEY',
  'EXPIRED',
  'ROLLBACK',
  'EQUIVOCATION',
  'FROM_THE_FUTURE',
  'REVOKED_KEY',
  'KEY_CONFLICT',
  'QUOTA_EXCEEDED',
]);

/** Whether a code that came over the wire is one of ours. */
export function isRefusalCode(code: string): code is RefusalCode {
  return REFUSALS.has(code);
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
