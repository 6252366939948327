import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { parseApplianceId } from '../appliance-id.ts';
import type { RegistryNode } from '../node.ts';
import { channelsOf, type Latest, type PublishedFile } from '../records/latest.ts';
import { createResolver } from '../resolver.ts';
import {
  applianceAnswerSchema,
  applianceParams,
  knownAppliancesSchema,
  versionsSchema,
} from './appliance-schemas.ts';
import { knownAppliances } from './known-appliances.ts';
import { responses } from './responses.ts';
import { isoTime, isoTimeOf } from './schemas.ts';

/** Which appliances there are, and which versions of them. */
export function applianceRoutes(node: RegistryNode): FastifyPluginAsyncZod {
  const resolver = createResolver(node);

  return async (app) => {
    app.get(
      '/appliances',
      {
        schema: {
          operationId: 'listAppliances',
          summary: 'The appliances this node knows of',
          description:
            'Those whose record it stores or has read. Nobody has a list of all: the registry is asked by id.',
          tags: ['appliances'],
          response: responses('By id.', knownAppliancesSchema),
        },
      },
      async () => ({
        appliances: knownAppliances(node.store).map((known) => ({ ...known, ...times(known) })),
      }),
    );

    app.get(
      '/appliances/:appliance',
      {
        schema: {
          operationId: 'getAppliance',
          summary: 'What the publisher says about an appliance',
          tags: ['appliances'],
          params: applianceParams,
          response: responses('The newest record.', applianceAnswerSchema, [400, 404, 502, 503]),
        },
      },
      async ({ params: { appliance } }) => {
        const { latest, staleSince } = await resolver.latest(appliance);
        const { version, seq } = latest;
        return {
          appliance,
          publisher: parseApplianceId(appliance).publisher,
          version,
          seq,
          ...times(latest),
          channels: channelsOf(latest),
          versions: versionsOf(latest),
          staleSince: isoTimeOf(staleSince),
        };
      },
    );

    app.get(
      '/appliances/:appliance/versions',
      {
        schema: {
          operationId: 'listVersions',
          summary: 'The versions an appliance has',
          tags: ['appliances'],
          params: applianceParams,
          response: responses('Those its publisher keeps.', versionsSchema, [400, 404, 502, 503]),
        },
      },
      async ({ params: { appliance } }) => {
        const { latest, staleSince } = await resolver.latest(appliance);
        return { appliance, versions: versionsOf(latest), staleSince: isoTimeOf(staleSince) };
      },
    );
  };
}

function times(record: { readonly published: number; readonly validUntil: number }): {
  published: string;
  validUntil: string;
} {
  return { published: isoTime(record.published), validUntil: isoTime(record.validUntil) };
}

function versionsOf(record: Latest): {
  version: string;
  published: string;
  manifest: PublishedFileAnswer | null;
  bootProfile: PublishedFileAnswer | null;
  latest: boolean;
  channels: string[];
}[] {
  const channels = channelsOf(record);
  return record.history.map(({ version, published, manifest, bootProfile }) => ({
    version,
    published: isoTime(published),
    manifest: answerOf(manifest),
    bootProfile: answerOf(bootProfile),
    latest: version === record.version,
    channels: Object.keys(channels).filter((name) => channels[name] === version),
  }));
}

interface PublishedFileAnswer {
  digest: string;
  bytes: number;
}

const answerOf = (file: PublishedFile | null): PublishedFileAnswer | null =>
  file && { digest: Buffer.from(file.digest).toString('hex'), bytes: file.bytes };
