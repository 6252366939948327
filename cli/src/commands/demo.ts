import type { Command } from 'commander';
import { commandContext } from '../command-context.ts';
import { playStory } from '../demo/story.ts';
import { stopSignal } from '../stop-signal.ts';

export function addDemoCommand(program: Command): void {
  program
    .command('demo')
    .description('play the main job on this machine: real processes, real data, nothing to set up')
    .option('--once', 'end when every step held, instead of staying up', false)
    .addHelpText('after', '\nExample:\n  $ rowfs demo --once')
    .action(async (options: { once: boolean }, command: Command) => {
      const { output } = commandContext(command);
      const started = performance.now();
      const stopped = stopSignal();
      const stage = await playStory((line) => output.note(line));
      try {
        const seconds = Number(((performance.now() - started) / 1000).toFixed(1));
        const { mountCommand, rest } = stage;
        output.result({ ok: true, seconds, mountCommand, rest }, () =>
          options.once
            ? `every step held (${seconds} s)`
            : [
                `every step held (${seconds} s); it all stays up until Ctrl-C`,
                `  mount it    ${mountCommand}`,
                `  look at it  ${rest}/docs`,
              ].join('\n'),
        );
        if (!options.once) await stopped;
      } finally {
        await stage.close();
      }
    });
}
