import type { Command } from 'commander';
import { commandContext } from '../command-context.ts';
import { playStory } from '../demo/story.ts';
import { CliError } from '../errors.ts';
import { stopSignal } from '../stop-signal.ts';

export function addDemoCommand(program: Command): void {
  program
    .command('demo')
    .description('play the main job on this machine: real processes, real data, nothing to set up')
    .option('--once', 'end when every step held, instead of staying up', false)
    .option(
      '--tree <directory>',
      'make the image of this directory, and not of parts of the system',
    )
    .addHelpText('after', '\nExample:\n  $ rowfs demo --once')
    .action(async (options: { once: boolean; tree?: string }, command: Command) => {
      const { output } = commandContext(command);
      const started = performance.now();
      const stopped = stopSignal();
      const interrupted = new AbortController();
      void stopped.then((signal) =>
        interrupted.abort(new CliError('INTERRUPTED', `ended by ${signal}`)),
      );
      const stage = await playStory({
        print: (line) => output.note(line),
        tree: options.tree,
        signal: interrupted.signal,
      });
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
