import { isDeepStrictEqual } from 'node:util';

/** Inputs are never longer: no parser has a limit worth reaching that needs more. */
export const MAX_INPUT_BYTES = 64 * 1024;

/** What bytes of a stranger go into, as the fuzzer sees it. */
export interface Parser {
  readonly name: string;
  readonly description: string;
  /** Real messages as the encoders make them: what mutation starts from. */
  seeds(seed: number): readonly Uint8Array[];
  /**
   * Parses `input` and checks what must hold of the outcome; what it throws is a finding. Errors
   * that the parser documents are caught here, with {@link unlessRefused}.
   */
  run(input: Uint8Array): void | Promise<void>;
}

/** A property of the parser that `input` broke. */
export class BrokenProperty extends Error {
  override readonly name = 'BrokenProperty';
}

export function mustHold(holds: boolean, property: string): void {
  if (!holds) throw new BrokenProperty(property);
}

export function mustEqual(actual: unknown, expected: unknown, property: string): void {
  mustHold(isDeepStrictEqual(actual, expected), property);
}

type ErrorClass = abstract new (...args: never[]) => Error;

/** @returns what `parse` returns, or undefined when it threw one of the errors it documents. */
export function unlessRefused<T>(documented: readonly ErrorClass[], parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (documented.some((errorClass) => error instanceof errorClass)) return undefined;
    throw error;
  }
}

/** The input in two pieces, as a network may deliver it. */
export function inTwo(input: Uint8Array): Uint8Array[] {
  const middle = input.length >> 1;
  return [input.subarray(0, middle), input.subarray(middle)];
}
