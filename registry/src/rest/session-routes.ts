import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { ProblemError } from './problem.ts';
import { responses } from './responses.ts';
import { sessionSchema, type SessionSource } from './session.ts';

const sessionsSchema = z.object({ sessions: z.array(sessionSchema) }).meta({ id: 'Sessions' });

/** What the proxies of this process do. */
export function sessionRoutes(source: SessionSource): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/sessions',
      {
        schema: {
          operationId: 'listSessions',
          summary: 'The mounted appliances of this process',
          tags: ['sessions'],
          response: responses('All sessions.', sessionsSchema),
        },
      },
      async () => ({ sessions: [...(await source.sessions())] }),
    );

    app.get(
      '/sessions/:id',
      {
        schema: {
          operationId: 'getSession',
          summary: 'One mounted appliance',
          tags: ['sessions'],
          params: z.object({ id: z.string().min(1) }),
          response: responses('The session.', sessionSchema, [404]),
        },
      },
      async ({ params: { id } }) => {
        const sessions = await source.sessions();
        const session = sessions.find((each) => each.id === id);
        if (session === undefined) {
          throw new ProblemError(404, 'SESSION_NOT_FOUND', `this process has no session ${id}`);
        }
        return session;
      },
    );
  };
}
