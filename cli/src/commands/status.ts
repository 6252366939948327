import type { Command } from 'commander';
import prettyBytes from 'pretty-bytes';
import { z } from 'zod';
import { commandContext } from '../command-context.ts';
import { lineOf } from '../errors.ts';
import { table } from '../output.ts';
import { type Daemon, runningDaemons } from '../running-daemons.ts';

const healthSchema = z.looseObject({ status: z.string(), peerId: z.string() });
const sessionsSchema = z.looseObject({
  sessions: z.array(
    z.looseObject({
      appliance: z.string().nullable(),
      version: z.string().nullable(),
      staleSince: z.string().nullable(),
      mountCommand: z.string(),
      notices: z.array(z.string()),
      machine: z
        .object({
          mac: z.string(),
          state: z.string(),
          booted: z.string().nullable(),
          staged: z.string().nullable(),
          rollback: z.string().nullable(),
          failed: z.string().nullable(),
          lastSign: z.string().nullable(),
        })
        .optional(),
      shadow: z.looseObject({
        usedBytes: z.number(),
        quotaBytes: z.number().nullable(),
        availableBytes: z.number(),
      }),
      image: z
        .looseObject({
          digest: z.string(),
          reads: z.object({ hits: z.number(), misses: z.number(), fetchedBytes: z.number() }),
          cache: z.object({ isStoring: z.boolean(), wrongBlocks: z.number() }),
        })
        .nullable(),
      servers: z.array(
        z.looseObject({
          address: z.string(),
          state: z.string(),
          current: z.boolean(),
          lastError: z.object({ message: z.string() }).nullable(),
          blocks: z.object({ good: z.number(), bad: z.number(), bytes: z.number() }).nullable(),
        }),
      ),
    }),
  ),
});

interface DaemonStatus extends Daemon {
  readonly error: string | null;
  readonly health: z.infer<typeof healthSchema> | null;
  readonly sessions: z.infer<typeof sessionsSchema>['sessions'];
}

export function addStatusCommand(program: Command): void {
  program
    .command('status')
    .description('what rowfs commands run on this machine, and how they are')
    .addHelpText('after', '\nExample:\n  $ rowfs status --json')
    .action(async (_options: object, command: Command) => {
      const { state, output } = commandContext(command);
      const daemons = await Promise.all((await runningDaemons(state)).map(ask));
      output.result({ daemons }, () =>
        daemons.length === 0
          ? `nothing runs with state in ${state}`
          : [
              table(
                ['COMMAND', 'PID', 'STATUS', 'REST'],
                daemons.map(({ command: name, pid, health, error, rest }) => [
                  name,
                  String(pid),
                  error ?? health?.status ?? '',
                  rest,
                ]),
              ),
              ...daemons.flatMap(({ sessions }) => sessions.map(sessionLines)),
            ].join('\n'),
      );
    });
}

async function ask(daemon: Daemon): Promise<DaemonStatus> {
  try {
    const [health, { sessions }] = await Promise.all([
      get(`${daemon.rest}/v1/health`, healthSchema),
      get(`${daemon.rest}/v1/sessions`, sessionsSchema),
    ]);
    return { ...daemon, error: null, health, sessions };
  } catch (error) {
    return { ...daemon, error: `no answer: ${lineOf(error)}`, health: null, sessions: [] };
  }
}

async function get<T>(url: string, schema: z.ZodType<T>): Promise<T> {
  const response = await fetch(url, { signal: AbortSignal.timeout(3000) });
  return schema.parse(await response.json());
}

function sessionLines(session: DaemonStatus['sessions'][number]): string {
  const { appliance, version, staleSince, image, servers, mountCommand, shadow, machine, notices } =
    session;
  const stale = staleSince === null ? '' : `, stale since ${staleSince}`;
  return [
    '',
    `${appliance ?? 'plain NFS'}${version === null ? '' : ` ${version}`}${stale}`,
    ...(machine === undefined ? [] : [`  machine     ${machineLine(machine)}`]),
    ...notices.map((notice) => `  note        ${notice}`),
    ...(image === null
      ? ['  plain export: what its servers send is believed']
      : [`  image       ${image.digest}`, `  cache       ${cacheLine(image)}`]),
    ...servers.map(serverLine),
    `  shadow      ${spaceOf(shadow)}`,
    `  ${mountCommand}`,
  ].join('\n');
}

function machineLine(machine: NonNullable<DaemonStatus['sessions'][number]['machine']>): string {
  const { mac, state, booted, staged, rollback, failed } = machine;
  const versions = { booted, staged, rollback, failed };
  const named = Object.entries(versions).flatMap(([what, version]) =>
    version === null ? [] : [`${what} ${version}`],
  );
  return `${mac} ${state}; ${named.join(', ')}`;
}

function cacheLine({
  reads,
  cache,
}: NonNullable<DaemonStatus['sessions'][number]['image']>): string {
  const { hits, misses, fetchedBytes } = reads;
  const all = hits + misses;
  const rate = all === 0 ? '' : `, ${((100 * hits) / all).toFixed(1)} % from the cache`;
  const fetched = prettyBytes(fetchedBytes, { binary: true });
  const full = cache.isStoring ? '' : '; NOTHING can be stored, see its log';
  const wrong = cache.wrongBlocks === 0 ? '' : `; ${cache.wrongBlocks} damaged blocks dropped`;
  return `${all} reads${rate}, ${fetched} fetched${full}${wrong}`;
}

function serverLine(server: DaemonStatus['sessions'][number]['servers'][number]): string {
  const { address, state, current, blocks, lastError } = server;
  const line = `  ${current ? '*' : ' '} ${address}  ${state}`;
  if (blocks === null) return line;
  const brought = `${blocks.good} blocks, ${prettyBytes(blocks.bytes, { binary: true })}`;
  if (blocks.bad === 0) return `${line}, ${brought}`;
  return `${line}, ${brought}, ${blocks.bad} WRONG: ${lastError?.message ?? ''}`;
}

function spaceOf(shadow: DaemonStatus['sessions'][number]['shadow']): string {
  const { usedBytes, quotaBytes, availableBytes } = shadow;
  const inUnits = (bytes: number): string => prettyBytes(bytes, { binary: true });
  const quota = quotaBytes === null ? '' : ` of ${inUnits(quotaBytes)}`;
  return `${inUnits(usedBytes)} used${quota}, ${inUnits(availableBytes)} free`;
}
