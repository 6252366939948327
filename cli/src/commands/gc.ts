import {
  applyGc,
  createPublisher,
  type GcPlan,
  type GcPolicy,
  planGc,
  readGcWorld,
} from '@rowfs/registry';
import { type Command, Option } from 'commander';
import { applianceOf, commandContext, withRegistry } from '../command-context.ts';
import { CliError } from '../errors.ts';
import { parseDuration, wholeNumber } from '../options.ts';
import { table } from '../output.ts';
import { loadPublisherKey } from '../publisher-key.ts';
import { stopSignal } from '../stop-signal.ts';
import { verifyExport } from '../verify-export.ts';

interface GcOptions {
  readonly keep: number;
  readonly grace: number;
  readonly pin: readonly string[];
  readonly lease: number;
  readonly apply: boolean | string;
}

export function addGcCommand(program: Command): void {
  program
    .command('gc')
    .description('which versions of your appliance may go, and why; --apply lets them go')
    .argument('<name>', 'the NAME of one of your appliances')
    .addOption(
      new Option('--keep <count>', 'keep this many of the newest')
        .argParser(wholeNumber(1))
        .default(2),
    )
    .addOption(
      new Option('--grace <duration>', 'keep what was current less than this long ago')
        .argParser(parseDuration)
        .default(86_400, '1d'),
    )
    .option('--pin <version...>', 'versions never to let go', [])
    .addOption(
      new Option('--lease <duration>', "the longest lease of your appliance's clients")
        .argParser(parseDuration)
        .default(60, '60s'),
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
whose leases cannot all be counted. After a version left the record, gc waits one lease for somebody
who still uses it, and takes it back then.

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
      if (!appliance.endsWith(`@${mandate.publisher}`)) {
        throw new CliError(
          'NOT_PUBLISHER',
          `${appliance} is not yours: only its publisher collects it`,
        );
      }
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
        context.output.result({ plan, ...report }, ({ deletable, resurrected }) =>
          [
            ...deletable.map(
              ({ version, servers }) =>
                `${version} is gone from the registry; its data may be deleted on ${servers.join(', ') || 'its servers'}`,
            ),
            ...resurrected.map((version) => `${version} was used meanwhile, so it stays`),
            ...(deletable.length + resurrected.length === 0 ? ['nothing to let go'] : []),
          ].join('\n'),
        );
      });
    });
}

function planLines({ id, decisions }: GcPlan): string {
  const rows = decisions.map(({ version, decision, text }) => [version, decision, text]);
  return `${table(['VERSION', 'DECISION', 'REASON'], rows)}\nplan ${id}`;
}
