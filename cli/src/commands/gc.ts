import {
  applyGc,
  createPublisher,
  dataOf,
  type GcPlan,
  type GcPolicy,
  planGc,
  readGcWorld,
  type VersionData,
} from '@rowfs/registry';
import { type Command, Option } from 'commander';
import { applianceOf, commandContext, withRegistry } from '../command-context.ts';
import { CliError } from '../errors.ts';
import { graceOption, keepOption, leaseOption } from '../gc-options.ts';
import { parseDuration } from '../options.ts';
import { table } from '../output.ts';
import prettyBytes from 'pretty-bytes';
import { loadPublisherKey } from '../publisher-key.ts';
import { checkPublisher } from '../scheduled-gc.ts';
import { stopSignal } from '../stop-signal.ts';
import { verifyExport } from '../verify-export.ts';

interface GcOptions {
  readonly keep: number;
  readonly grace: number;
  readonly pin: readonly string[];
  readonly lease: number;
  readonly wait: number;
  readonly apply: boolean | string;
}

export function addGcCommand(program: Command): void {
  program
    .command('gc')
    .description('which versions of your appliance may go, and why; --apply lets them go')
    .argument('<name>', 'the NAME of one of your appliances')
    .addOption(keepOption('--keep <count>'))
    .addOption(graceOption('--grace <duration>'))
    .option('--pin <version...>', 'versions never to let go', [])
    .addOption(leaseOption('--lease <duration>'))
    .addOption(
      new Option('--wait <duration>', 'how long to wait for servers that delete the data')
        .argParser(parseDuration)
        .default(0, '0s'),
    )
    .option(
      '--apply [plan-id]',
      'carry the plan out; with an id, only if the plan is still that one',
      false,
    )
    .addHelpText(
      'after',
      `
Without --apply nothing is changed. A version with a live lease is never let go, and neither is one
whose leases cannot all be counted. After a version left the history, gc waits one lease for somebody
who still uses it, and takes it back then. After that, servers that run rowfs serve --delete-retired
delete the data; others are named, for you to delete it there.

Examples:
  $ rowfs gc debian                       the plan, with a reason for each version
  $ rowfs gc debian --apply 4f2a91c07d    exactly that plan`,
    )
    .action(async (name: string, options: GcOptions, command: Command) => {
      const context = commandContext(command);
      const appliance = await applianceOf(context, name);
      const policy: GcPolicy = {
        keep: options.keep,
        graceSeconds: options.grace,
        pins: options.pin,
      };
      const { key, mandate } = await loadPublisherKey(context);
      checkPublisher(appliance, mandate);
      await withRegistry(context, async (node) => {
        const publisher = createPublisher({
          node,
          key,
          mandate,
          stateDir: context.state,
          verifyServer: verifyExport,
        });
        const world = await readGcWorld(node, publisher, appliance);
        for (const pin of policy.pins) {
          if (!world.history.some(({ version }) => version === pin)) {
            throw new CliError(
              'VERSION_NOT_FOUND',
              `--pin ${pin}: ${appliance} has no such version`,
            );
          }
        }
        const plan = planGc(world, policy);
        if (options.apply === false) {
          context.output.result({ plan }, () => planLines(plan));
          return;
        }
        if (typeof options.apply === 'string' && options.apply !== plan.id) {
          throw new CliError(
            'PLAN_CHANGED',
            `the plan is now ${plan.id}, not ${options.apply}: look at it with 'rowfs gc ${name}'`,
          );
        }
        context.output.note(planLines(plan));
        const interrupted = new AbortController();
        void stopSignal().then((signal) =>
          interrupted.abort(new CliError('INTERRUPTED', `${signal}: nothing was let go`)),
        );
        const report = await applyGc({
          node,
          publisher,
          plan,
          policy,
          leaseTtlSeconds: options.lease,
          signal: interrupted.signal,
        });
        const deletable = await Promise.all(
          report.deletable.map(async ({ version, servers }) => {
            const data = await dataOf(
              node,
              { appliance, version },
              options.wait,
              interrupted.signal,
            );
            return { version, ...placesOf(servers, data) };
          }),
        );
        const freedBytes = sum(deletable.flatMap(({ deleted }) => deleted));
        context.output.result({ plan, ...report, deletable, freedBytes }, () =>
          [
            ...deletable.flatMap(dataLines),
            ...report.resurrected.map((version) => `${version} was used meanwhile, so it stays`),
            deletable.length === 0
              ? 'nothing to let go'
              : `${prettyBytes(freedBytes, { binary: true })} freed by now on servers that tell`,
          ].join('\n'),
        );
      });
    });
}

interface DataPlaces extends VersionData {
  /** Servers of others' software: the data there is deleted by hand. */
  readonly byHand: readonly string[];
}

function placesOf(vouchedFor: readonly string[], data: VersionData): DataPlaces {
  const own = [...data.serving, ...data.deleted.map(({ server }) => server)];
  return { ...data, byHand: vouchedFor.filter((server) => !own.includes(server)) };
}

function dataLines({
  version,
  deleted,
  serving,
  byHand,
}: DataPlaces & { readonly version: string }): string[] {
  return [
    `${version} is gone from the registry`,
    ...deleted.map(
      ({ server, freedBytes }) =>
        `  ${server} deleted it: ${prettyBytes(freedBytes, { binary: true })}`,
    ),
    ...serving.map((server) => `  ${server} has it yet, and deletes it if it was told to`),
    ...byHand.map((server) => `  ${server} has it yet: delete it there`),
  ];
}

const sum = (freed: readonly { readonly freedBytes: number }[]): number =>
  freed.reduce((total, { freedBytes }) => total + freedBytes, 0);

function planLines({ id, decisions }: GcPlan): string {
  const rows = decisions.map(({ version, decision, text }) => [version, decision, text]);
  return `${table(['VERSION', 'DECISION', 'REASON'], rows)}\nplan ${id}`;
}
