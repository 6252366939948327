import type { z } from 'zod';
import { PROBLEM_TYPE, problemSchema } from './problem.ts';

const PROBLEMS = {
  400: 'A parameter is not well-formed.',
  404: 'There is no such thing.',
  502: 'The registry answered only with records that must not be believed.',
  503: 'No registry node answers, and nothing is known from before.',
} as const;

interface Response<Type extends string, Schema extends z.ZodType> {
  readonly description: string;
  readonly content: Readonly<Record<Type, { readonly schema: Schema }>>;
}

type Answer<Schema extends z.ZodType> = Response<'application/json', Schema>;
type Refusal = Response<typeof PROBLEM_TYPE, typeof problemSchema>;

/** The response schemas of a route: what it answers with, and which problems it foresees. */
export function responses<Schema extends z.ZodType, Status extends keyof typeof PROBLEMS = never>(
  description: string,
  schema: Schema,
  problems: readonly Status[] = [],
): { 200: Answer<Schema> } & Record<Status, Refusal> {
  const refusal = (status: Status): [Status, Refusal] => [
    status,
    { description: PROBLEMS[status], content: { [PROBLEM_TYPE]: { schema: problemSchema } } },
  ];
  return {
    200: { description, content: { 'application/json': { schema } } },
    ...(Object.fromEntries(problems.map(refusal)) as Record<Status, Refusal>),
  };
}
