import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { addCommands } from './commands/table.ts';
import { applyConfigFile } from './config-file.ts';
import { codeOf, lineOf } from './errors.ts';
import { addCommonOptions, type CommonOptions, leafCommands } from './options.ts';

const { version } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
) as { version: string };

/**
 * Makes the `rowfs` program: every command, option and environment variable. Of commands other than
 * `wanted`, if it is the name of one, it has the names only.
 */
export async function createProgram(wanted?: string): Promise<Command> {
  const program = new Command('rowfs')
    .description('Boot and run versioned images over any network, without copying them first')
    .version(version)
    .showHelpAfterError('(add --help for usage)')
    .enablePositionalOptions()
    .exitOverride();
  await addCommands(program, wanted);
  for (const command of leafCommands(program)) addCommonOptions(command);
  program.addHelpText(
    'after',
    `
Options are taken from, in this order: the command line, the environment variable named beside
each, the config file, the default.

Examples:
  $ rowfs demo                                       see the whole of it on this machine
  $ rowfs node --alone                               run the first registry node
  $ rowfs publish debian --version 12.5 --server nfs1.example:/srv/debian
  $ rowfs proxy debian@12D3KooW...                   mount the newest version, writes stay here`,
  );
  program.hook('preAction', (_program, command) => {
    const { config } = command.opts<CommonOptions>();
    const asked = command.getOptionValueSource('config') !== 'default';
    applyConfigFile(program, command, config, asked);
  });
  return program;
}

/**
 * Runs one command line, `argv` as in process.argv. Resolves to the exit status: 0, 1 for an error
 * that was shown as one line, 2 for a command line that was not understood.
 */
export async function run(argv: readonly string[]): Promise<number> {
  const program = await createProgram(argv[2]);
  const asked = { json: false };
  program.hook('preAction', (_program, command) => {
    asked.json = command.opts<CommonOptions>().json;
  });
  // What a command waits for need not keep the process: the timeout of an AbortSignal does not.
  const alive = setInterval(() => undefined, LONG_MS);
  try {
    await program.parseAsync([...argv]);
    return 0;
  } catch (error) {
    // Commander has printed its own message, or the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const line = asked.json
      ? JSON.stringify({ error: { code: codeOf(error), message: lineOf(error) } })
      : `rowfs: ${lineOf(error)}`;
    process.stderr.write(`${line}\n`);
    if (process.env['ROWFS_DEBUG'] !== undefined) {
      process.stderr.write(`${error instanceof Error ? (error.stack ?? '') : ''}\n`);
    }
    return 1;
  } finally {
    clearInterval(alive);
  }
}

const LONG_MS = 2 ** 30;
