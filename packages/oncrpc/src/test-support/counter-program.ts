import type { RpcProcedure, RpcProgram } from '../program.ts';

export const COUNTER_PROGRAM = 0x2000_0001;
export const COUNTER_VERSION = 3;
export const ADD = 1;
export const ECHO = 2;
export const WHOAMI = 3;
export const FAIL = 4;
export const WAIT = 5;

/**
 * A program with what a real one has: ADD is not idempotent, ECHO carries payloads, WHOAMI wants a
 * credential, FAIL throws, WAIT lasts until it is released or aborted.
 */
export class Counter implements RpcProgram {
  readonly program = COUNTER_PROGRAM;
  readonly version = COUNTER_VERSION;
  readonly name = 'COUNTER';
  total = 0;
  /** ADD waits for it, so that a test can have it in progress, or fail. */
  gate: () => Promise<void> = () => Promise.resolve();
  /** How often ADD was begun. */
  begun = 0;
  /** What each ADD was known by. */
  readonly requestKeys: (string | undefined)[] = [];
  waiting = 0;
  aborted = 0;
  release: () => void = () => undefined;
  readonly #released = new Promise<void>((resolve) => (this.release = resolve));

  readonly procedures: ReadonlyMap<number, RpcProcedure> = new Map<number, RpcProcedure>([
    [
      ADD,
      {
        name: 'ADD',
        cacheable: true,
        auth: 'any',
        call: async (args, { duplicateRequestKey }) => {
          const amount = args.uint32();
          args.end();
          this.begun += 1;
          this.requestKeys.push(duplicateRequestKey);
          await this.gate();
          this.total += amount;
          const { total } = this;
          return (results) => results.uint32(total);
        },
      },
    ],
    [
      ECHO,
      {
        name: 'ECHO',
        cacheable: false,
        auth: 'any',
        call: async (args) => {
          const parts = args.opaqueParts(1 << 24);
          args.end();
          return (results) => results.opaqueParts(parts);
        },
      },
    ],
    [
      WHOAMI,
      {
        name: 'WHOAMI',
        cacheable: false,
        auth: 'sys',
        call: async (_args, { credential }) => {
          if (credential.flavor !== 'sys') throw new Error('AUTH_SYS was asked for');
          return (results) => results.uint32(credential.uid);
        },
      },
    ],
    [
      FAIL,
      {
        name: 'FAIL',
        cacheable: false,
        auth: 'any',
        call: async () => {
          throw new Error('a defect');
        },
      },
    ],
    [
      WAIT,
      {
        name: 'WAIT',
        cacheable: false,
        auth: 'any',
        call: async (_args, { signal }) => {
          this.waiting += 1;
          const abort = new Promise<void>((resolve) =>
            signal.addEventListener('abort', () => {
              this.aborted += 1;
              resolve();
            }),
          );
          await Promise.race([this.#released, abort]);
          return () => undefined;
        },
      },
    ],
  ]);
}
