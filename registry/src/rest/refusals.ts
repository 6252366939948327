import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { problem, problemOf, ProblemError, PROBLEM_TYPE, type Problem } from './problem.ts';

const READING_METHODS: readonly string[] = ['GET', 'HEAD'];

/** Makes every refusal of `app` a problem body: unknown routes, other methods, and all that throws. */
export function answerWithProblems(app: FastifyInstance, logger: Logger): void {
  app.setErrorHandler((error, request, reply) => {
    const answer = problemOf(error);
    if (answer.status === 500) {
      logger.error({ err: error, method: request.method, url: request.url }, 'request failed');
    }
    return send(reply, answer);
  });
  app.setNotFoundHandler(({ url }, reply) => {
    const detail = `there is nothing at ${url}: /docs lists what there is`;
    return send(reply, problem(404, 'ROUTE_NOT_FOUND', detail));
  });
  // Before anything of a body is read.
  app.addHook('onRequest', async ({ method }, reply) => {
    if (READING_METHODS.includes(method)) return;
    void reply.header('allow', READING_METHODS.join(', '));
    const detail = `${method} is not understood: this interface only reads`;
    throw new ProblemError(405, 'METHOD_NOT_ALLOWED', detail);
  });
}

/** Answers a request that no route was looked up for, such as one with a URL that cannot be decoded. */
export function refuseRequest(error: Error, _request: FastifyRequest, reply: FastifyReply): void {
  void send(reply, problemOf(error));
}

const STATUS_OF_CLIENT_ERROR: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

/** Answers bytes that are no HTTP request, and ends the connection. */
export function refuseConnection(error: Error & { code?: string }, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const status = STATUS_OF_CLIENT_ERROR[error.code ?? ''] ?? 400;
  const answer = problem(status, 'INVALID_REQUEST', 'this is not an HTTP request');
  const body = JSON.stringify(answer);
  socket.end(
    `HTTP/1.1 ${status} ${answer.title}\r\nContent-Type: ${PROBLEM_TYPE}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

function send(reply: FastifyReply, answer: Problem): FastifyReply {
  return reply.code(answer.status).type(PROBLEM_TYPE).send(answer);
}
