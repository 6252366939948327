/** Why changes could not be carried over; nothing was changed. */
export class CarryError extends Error {
  override readonly name = 'CarryError';
  readonly code = 'CARRY_FAILED';
}
