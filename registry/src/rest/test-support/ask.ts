import assert from 'node:assert/strict';
import { problemSchema } from '../problem.ts';

/** What came back over HTTP. */
export interface Answer {
  readonly status: number;
  readonly type: string | null;
  readonly body: unknown;
}

export async function ask(url: string, init?: RequestInit): Promise<Answer> {
  const response = await fetch(url, init);
  return {
    status: response.status,
    type: response.headers.get('content-type'),
    body: await response.json(),
  };
}

/** Checks that an answer is the problem `code`, and returns its detail. */
export function problemDetail(answer: Answer, status: number, code: string): string {
  assert.match(answer.type ?? '', /^application\/problem\+json/);
  const body = problemSchema.parse(answer.body);
  assert.deepEqual(
    { sent: answer.status, status: body.status, code: body.code },
    { sent: status, status, code },
  );
  assert.doesNotMatch(body.detail, /\n|\bat .*:\d+:\d+/);
  return body.detail;
}
