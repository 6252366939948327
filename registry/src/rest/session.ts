import { z } from 'zod';
import { countSchema, staleSinceSchema, timeSchema } from './schemas.ts';

const milliseconds = z.number().min(0);

const sessionServerSchema = z.object({
  address: z.string().meta({ description: '`host:port:/path`' }),
  state: z
    .enum(['idle', 'connecting', 'healthy', 'demoted'])
    .meta({ description: 'idle: nothing was needed from it yet.' }),
  current: z.boolean().meta({ description: 'Whether calls go to this server now.' }),
  since: timeSchema.meta({ description: 'When it came into this state.' }),
  calls: countSchema,
  failures: countSchema,
  latencyMs: milliseconds.nullable(),
  lastError: z.object({ code: z.string(), message: z.string() }).nullable(),
  blocks: z
    .object({
      good: countSchema,
      bad: countSchema.meta({ description: 'Not as the image says: never given to a client.' }),
      bytes: countSchema,
      bytesWasted: countSchema.meta({
        description: 'Of them, what was wrong, or what another server had brought before.',
      }),
    })
    .nullable()
    .meta({ description: 'What it brought of a verified image; null for a plain export.' }),
});

const procedureCountsSchema = z.object({
  name: z.string().meta({ description: 'A procedure of RFC 1813, e.g. `readdirplus`.' }),
  calls: countSchema,
  inFlight: countSchema,
  errors: z.record(z.string(), countSchema).meta({
    description: 'Calls answered with a status that is not OK, by the name of the status.',
  }),
  rejected: countSchema.meta({ description: 'Calls that got no answer.' }),
  bytesRead: countSchema,
  bytesWritten: countSchema,
  latencyMs: z.object({
    mean: milliseconds,
    p50: milliseconds,
    p90: milliseconds,
    p99: milliseconds,
    max: milliseconds,
  }),
});

const versionSchema = z.string().nullable();

const machineSchema = z
  .object({
    mac: z.string(),
    state: z.enum(['booting', 'up', 'off']).meta({
      description: 'up: it said so. off: it gave signs of life, and gives none any more.',
    }),
    booted: versionSchema.meta({ description: 'What it was given last.' }),
    staged: versionSchema.meta({ description: 'What it will be given when it boots again.' }),
    rollback: versionSchema.meta({ description: 'What it will be given if `booted` fails.' }),
    failed: versionSchema.meta({ description: 'The newest, when it did not come up here.' }),
    lastSign: timeSchema.nullable().meta({ description: 'When it last said that it is up.' }),
  })
  .meta({ description: 'The diskless machine whose root it is; only of rowfs boot.' });

/** One mounted appliance: what a proxy of this process serves, from where, and how it goes. */
export const sessionSchema = z
  .object({
    id: z.string(),
    appliance: z.string().nullable().meta({ description: 'Null for a plain NFSv3 export.' }),
    version: z.string().nullable(),
    resumed: z.boolean().meta({ description: 'Goes on with version and shadow of its last run.' }),
    startedAt: timeSchema,
    staleSince: staleSinceSchema,
    notices: z.array(z.string()).meta({
      description: 'What an operator should know about which version and shadow run, and why.',
    }),
    address: z.object({ host: z.string(), port: z.int(), mountPort: z.int() }).meta({
      description: 'Where clients mount from.',
    }),
    mountCommand: z.string(),
    shadow: z
      .object({
        name: z.string(),
        directory: z.string(),
        bytesRedirected: countSchema.meta({ description: 'Written by clients since the start.' }),
        usedBytes: countSchema.meta({ description: 'Contents and records on disk.' }),
        quotaBytes: countSchema.nullable().meta({ description: 'Null when there is none.' }),
        reserveBytes: countSchema.meta({
          description: 'Of the disk, kept free for removals and for what must not fail half-way.',
        }),
        availableBytes: countSchema.meta({
          description: 'What can still be written, within the quota and above the reserve.',
        }),
        diskBytes: countSchema.meta({ description: 'Of the disk that it is on.' }),
        diskFreeBytes: countSchema,
        diskFiles: countSchema.meta({
          description: 'Inodes of that disk; 0 where they are not counted.',
        }),
        diskFilesFree: countSchema,
      })
      .meta({ description: 'Where redirected writes are kept.' }),
    image: z
      .object({
        digest: z.string().meta({ description: "Of the image's manifest, BLAKE3 in hex." }),
        inodes: countSchema,
        blocks: countSchema,
        reads: z.object({
          hits: countSchema.meta({ description: 'Reads that were answered from the cache.' }),
          misses: countSchema.meta({ description: 'Those for which something was fetched.' }),
          fetchedBlocks: countSchema,
          fetchedBytes: countSchema,
          failedBlocks: countSchema.meta({ description: 'That no server had right.' }),
        }),
        prefetch: z
          .object({ blocks: countSchema, done: countSchema })
          .nullable()
          .meta({ description: 'How far the boot profile is fetched; null while none is known.' }),
        cache: z.object({
          directory: z.string(),
          isStoring: z.boolean().meta({ description: 'False while the disk is full or broken.' }),
          wrongBlocks: countSchema.meta({
            description: 'On the disk, and not what was stored: fetched again.',
          }),
        }),
      })
      .nullable()
      .meta({ description: 'The verified image; null over plain exports, which are believed.' }),
    machine: machineSchema.optional(),
    servers: z.array(sessionServerSchema),
    procedures: z
      .object({
        client: z.array(procedureCountsSchema),
        server: z.array(procedureCountsSchema),
      })
      .meta({ description: 'What clients asked of the proxy, and what it asked of the servers.' }),
  })
  .meta({ id: 'Session' });

export type Session = z.infer<typeof sessionSchema>;
export type SessionServer = z.infer<typeof sessionServerSchema>;
export type ProcedureCounts = z.infer<typeof procedureCountsSchema>;

/** Where the sessions come from: the proxies of this process. A plain node has none. */
export interface SessionSource {
  sessions(): readonly Session[] | Promise<readonly Session[]>;
}
