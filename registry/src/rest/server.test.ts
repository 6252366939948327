import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { pino } from 'pino';
import { createRegistryNode, type RegistryNode } from '../node.ts';
import { problemSchema } from './problem.ts';
import { createRestServer, type RestServer } from './server.ts';
import type { SessionSource } from './session.ts';
import { ask, problemDetail } from './test-support/ask.ts';

const silent = pino({ level: 'silent' });
const none: SessionSource = { sessions: async () => [] };

describe("the server of the operators' REST", () => {
  let node: RegistryNode;
  let rest: RestServer;
  let url: string;

  before(async () => {
    node = await createRegistryNode({
      ephemeral: true,
      listen: [],
      bootstrap: [],
      mode: 'server',
      logger: silent,
    });
    rest = await createRestServer({ node, sessions: none, logger: silent });
    ({ url } = await rest.listen({ host: '127.0.0.1', port: 0 }));
  });

  after(async () => {
    await rest.close();
    await node.close();
  });

  it('serves the document as a page that loads nothing from elsewhere', async () => {
    const response = await fetch(`${url}/docs`);
    assert.equal(response.status, 200);
    const policy = response.headers.get('content-security-policy') ?? '';
    assert.match(policy, /default-src 'none'/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /script-src[^;]*unsafe|https?:/);
    const page = await response.text();
    assert.match(page, /swagger-ui/);
    // Without inline scripts the policy above breaks nothing.
    assert.doesNotMatch(page, /<script(?![^>]*\bsrc=)/);
    const [script] = /[^"]*swagger-ui-bundle\.js/.exec(page) ?? [''];
    assert.equal((await fetch(new URL(script, url))).status, 200);
  });

  it('answers 404 for what it does not have, and 405 for what it does not do', async () => {
    problemDetail(await ask(`${url}/v2/health`), 404, 'ROUTE_NOT_FOUND');
    problemDetail(await ask(`${url}/v1/sessions/${'x'.repeat(2000)}`), 414, 'INVALID_REQUEST');
    for (const method of ['POST', 'DELETE', 'OPTIONS']) {
      for (const path of ['/v1/sessions', '/nowhere']) {
        const headers = { 'content-type': 'application/json' };
        const body = method === 'POST' ? '{"cut off' : null;
        const response = await ask(url + path, { method, headers, body });
        problemDetail(response, 405, 'METHOD_NOT_ALLOWED');
      }
    }
  });

  it('answers 503 when no registry can be reached', async () => {
    const offline = await createRegistryNode({
      ephemeral: true,
      listen: [],
      bootstrap: ['/ip4/127.0.0.1/tcp/1'],
      mode: 'client',
      logger: silent,
      allowOffline: true,
    });
    const other = await createRestServer({ node: offline, sessions: none, logger: silent });
    try {
      const at = await other.listen({ host: '127.0.0.1', port: 0 });
      const answer = await ask(`${at.url}/v1/appliances/debian@${node.peerId}`);
      problemDetail(answer, 503, 'REGISTRY_UNREACHABLE');
      const health = await ask(`${at.url}/v1/health`);
      assert.equal((health.body as { status: string }).status, 'cut-off');
    } finally {
      await other.close();
      await offline.close();
    }
  });

  it('answers 500 without its inside for what it did not foresee, and logs that', async () => {
    const lines: string[] = [];
    const failing = await createRestServer({
      node,
      sessions: {
        sessions: () => {
          throw new Error('the inside');
        },
      },
      logger: pino({ level: 'error' }, { write: (line) => void lines.push(line) }),
    });
    try {
      const at = await failing.listen({ host: '127.0.0.1', port: 0 });
      const answer = await ask(`${at.url}/v1/sessions`);
      assert.doesNotMatch(problemDetail(answer, 500, 'UNEXPECTED'), /inside$/);
      assert.doesNotMatch(JSON.stringify(answer.body), /the inside/);
      assert.match(lines.join(''), /the inside/);
    } finally {
      await failing.close();
    }
  });

  it('refuses a request that names another host', async () => {
    const request = get(`${url}/v1/health`, { headers: { host: 'evil.example' } });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    const body: unknown = JSON.parse((await response.toArray()).join(''));
    const type = response.headers['content-type'] ?? null;
    problemDetail({ status: response.statusCode!, type, body }, 421, 'FOREIGN_HOST');
  });

  it('answers what is not HTTP with a problem, and hangs up', async () => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.end('this is not HTTP\r\n\r\n');
    const [head, body] = (await socket.toArray()).join('').split('\r\n\r\n');
    assert.match(head!, /^HTTP\/1\.1 400 Bad Request/);
    assert.equal(problemSchema.parse(JSON.parse(body!)).code, 'INVALID_REQUEST');
  });

  it('says which port is in use', async () => {
    const other = await createRestServer({ node, sessions: none, logger: silent });
    const { port } = new URL(url);
    await assert.rejects(other.listen({ host: '127.0.0.1', port: Number(port) }), {
      code: 'PORT_IN_USE',
      message: new RegExp(`^port ${port} of 127\\.0\\.0\\.1 is in use.*$`),
    });
    await other.close();
  });

  it('ends idle and half-open connections when it is closed', async () => {
    const closing = await createRestServer({ node, sessions: none, logger: silent });
    const at = await closing.listen({ host: '127.0.0.1', port: 0 });
    const agent = new Agent({ keepAlive: true });
    const request = get(`${at.url}/v1/health`, { agent });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    await response.toArray();
    const keptAlive = request.socket!;
    const half = connect(Number(new URL(at.url).port), '127.0.0.1');
    half.write('GET /v1/health HTTP/1.1\r\n');
    await once(half, 'connect');
    const ended = [keptAlive, half].map(
      (socket) =>
        new Promise<void>((resolve) => {
          // A reset is as good an end as any.
          socket.on('error', () => undefined).once('close', () => resolve());
        }),
    );
    half.resume();
    await closing.close();
    await Promise.all(ended);
    agent.destroy();
  });
});
