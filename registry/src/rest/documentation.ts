import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';

/** The page loads nothing from elsewhere; Swagger UI sets styles on elements and draws with data URLs. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/**
 * Serves the OpenAPI document of the routes that are registered after it: at `/docs` as a page,
 * at `/docs/json` and `/docs/yaml` for programs.
 */
export async function serveDocumentation(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'rowfs',
        description:
          'What a node of the registry, and the proxies of its process, know and do. Nothing here changes anything. Every refusal is a problem body as in RFC 9457.',
        version,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: '/' }],
      // Reading needs no token.
      security: [],
      tags: [
        { name: 'appliances', description: 'Read through the registry, not only from this node.' },
        { name: 'node', description: 'This node.' },
        { name: 'sessions', description: 'What the proxies of this process serve.' },
      ],
    },
    transform: jsonSchemaTransform,
    transformObject: (document) => withoutInputs(jsonSchemaTransformObject(document)),
  });
  await app.register(swaggerUi, { routePrefix: '/docs', staticCSP: CONTENT_SECURITY_POLICY });
}

/** Every named schema comes once more as an input, but this interface takes none of them. */
function withoutInputs<Document extends object>(document: Document): Document {
  const { components } = document as { components?: { schemas?: Record<string, unknown> } };
  const outputs = Object.entries(components?.schemas ?? {}).filter(
    ([name]) => !name.endsWith('Input'),
  );
  return { ...document, components: { ...components, schemas: Object.fromEntries(outputs) } };
}
