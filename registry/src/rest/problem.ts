import { STATUS_CODES } from 'node:http';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { RecordRefusal, RegistryError, type RegistryErrorCode } from '../errors.ts';

export const PROBLEM_TYPE = 'application/problem+json';

/** RFC 9457 section 3, with one extension member: `code`. */
export const problemSchema = z
  .object({
    type: z.literal('about:blank'),
    title: z.string().meta({ description: 'The phrase of the HTTP status.' }),
    status: z.int().min(400).max(599),
    detail: z.string().meta({ description: 'What was wrong here, on one line.' }),
    code: z.string().meta({ description: 'Stable: programs match on it.' }),
  })
  .meta({ id: 'Problem', description: 'A problem body as in RFC 9457.' });

export type Problem = z.infer<typeof problemSchema>;

export function problem(status: number, code: string, detail: string): Problem {
  return {
    type: 'about:blank',
    title: STATUS_CODES[status] ?? 'Error',
    status,
    detail: detail.replaceAll(/\s*\n\s*/g, '; '),
    code,
  };
}

/** A problem that a route finds itself. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, detail: string) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

/** What a failure of the registry means to whoever asked over HTTP; the others are 500. */
const STATUS_OF: Readonly<Partial<Record<RegistryErrorCode, number>>> = {
  INVALID_APPLIANCE_ID: 400,
  INVALID_VERSION: 400,
  APPLIANCE_NOT_FOUND: 404,
  VERSION_NOT_FOUND: 404,
  // As with a record that is refused: there is an answer, and it may not be used.
  KEY_REVOKED: 502,
  REGISTRY_UNREACHABLE: 503,
  QUORUM_NOT_REACHED: 503,
  PEER_UNREACHABLE: 503,
  PEER_TIMEOUT: 503,
  CLOSED: 503,
};

/** The problem that stands for `error`. What was not foreseen says nothing of its inside. */
export function problemOf(error: unknown): Problem {
  if (error instanceof ProblemError) return problem(error.status, error.code, error.message);
  // The DHT answered, but with nothing that may be believed.
  if (error instanceof RecordRefusal) return problem(502, error.code, error.message);
  if (error instanceof RegistryError) {
    const status = STATUS_OF[error.code];
    if (status !== undefined) return problem(status, error.code, error.message);
  }
  if (hasZodFastifySchemaValidationErrors(error)) {
    const details = error.validation.map(({ message }) => message ?? 'not valid');
    return problem(400, 'INVALID_PARAMETER', details.join('; '));
  }
  return httpProblem(error) ?? problem(500, 'UNEXPECTED', 'unexpected: the log of the node has it');
}

/** Refusals of fastify itself, such as a URL that cannot be decoded. */
function httpProblem(error: unknown): Problem | undefined {
  if (!(error instanceof Error) || !('statusCode' in error)) return undefined;
  const { statusCode } = error;
  if (typeof statusCode !== 'number' || statusCode < 400 || statusCode > 499) return undefined;
  return problem(statusCode, 'INVALID_REQUEST', error.message);
}
