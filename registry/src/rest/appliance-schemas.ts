import { z } from 'zod';
import { checkVersion, parseApplianceId } from '../appliance-id.ts';
import { messageOf } from '../errors.ts';
import { countSchema, peerIdSchema, staleSinceSchema, timeSchema } from './schemas.ts';

const applianceSchema = z
  .string()
  .check(judgedBy(parseApplianceId))
  .meta({ description: 'NAME@PEERID: the key of the publisher is part of the id.' });
const versionSchema = z.string().check(judgedBy(checkVersion));

export const applianceParams = z.object({ appliance: applianceSchema });
export const versionParams = z.object({ appliance: applianceSchema, version: versionSchema });

/** A check that refuses with the message of `judge`, which says best what is wrong. */
function judgedBy(judge: (text: string) => unknown): z.core.CheckFn<string> {
  return ({ value, issues }) => {
    try {
      judge(value);
    } catch (error) {
      issues.push({ code: 'custom', input: value, message: messageOf(error) });
    }
  };
}

const recordFields = {
  appliance: z.string(),
  version: z.string().meta({ description: 'What the channel stable points at.' }),
  seq: countSchema.meta({ description: 'Grows with each record that the publisher signs.' }),
  published: timeSchema,
  validUntil: timeSchema.meta({ description: 'When the publisher must have signed again.' }),
};

export const knownAppliancesSchema = z
  .object({
    appliances: z.array(
      z.object({
        ...recordFields,
        stored: z.boolean().meta({
          description: 'Whether this node stores the record for others, or only once read it.',
        }),
      }),
    ),
  })
  .meta({ id: 'KnownAppliances' });

const publishedFileSchema = z
  .object({
    digest: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .meta({ description: 'BLAKE3, in hex.' }),
    bytes: z.int().min(1).meta({ description: 'Its size.' }),
  })
  .nullable();

const versionEntrySchema = z.object({
  version: z.string(),
  published: timeSchema,
  manifest: publishedFileSchema.meta({
    description:
      "Its image's manifest, as signed; null for a plain export, which nobody can verify.",
  }),
  bootProfile: publishedFileSchema.meta({ description: 'Its boot profile, as signed.' }),
  latest: z.boolean(),
  channels: z.array(z.string()).meta({ description: 'The channels that point at it.' }),
});

const versionsFields = {
  versions: z
    .array(versionEntrySchema)
    .meta({ description: 'What the publisher keeps, newest first.' }),
  staleSince: staleSinceSchema,
};

export const applianceAnswerSchema = z
  .object({
    ...recordFields,
    publisher: peerIdSchema,
    channels: z.record(z.string(), z.string()).meta({ description: 'Name to version.' }),
    ...versionsFields,
  })
  .meta({ id: 'Appliance' });

export const versionsSchema = z
  .object({ appliance: z.string(), ...versionsFields })
  .meta({ id: 'Versions' });

export const serversSchema = z
  .object({
    appliance: z.string(),
    version: z.string(),
    servers: z
      .array(
        z.object({
          server: z.string().meta({
            description: 'The peer id of a server that speaks for itself, else its address.',
          }),
          address: z.string().meta({ description: '`host:port:/path`' }),
          holdings: z.enum(['full', 'partial']),
          load: z.int().min(0).max(100),
          endorsed: z.boolean().meta({ description: 'Whether the publisher vouches for it.' }),
        }),
      )
      .meta({ description: 'In the order in which this node would try them.' }),
    staleSince: staleSinceSchema,
  })
  .meta({ id: 'Servers' });

export const sharersSchema = z
  .object({
    appliance: z.string(),
    version: z.string(),
    kept: z.boolean().meta({ description: 'Whether the publisher still keeps this version.' }),
    count: countSchema.meta({ description: 'How many leases are held.' }),
    complete: z.boolean().meta({
      description: 'False when too few nodes answered to rule out others: count it as in use.',
    }),
    sharers: z
      .array(z.object({ client: peerIdSchema, lease: z.string() }))
      .meta({ description: 'All of them while they are few, some of them otherwise.' }),
  })
  .meta({ id: 'Sharers' });
