import { ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { applyConfigFile } from '../../../cli/src/config-file.ts';
import { CliError } from '../../../cli/src/errors.ts';
import { addCommonOptions, parseDuration } from '../../../cli/src/options.ts';
import { type Parser, unlessRefused } from '../parser.ts';

const texts = [
  'log-level: debug\nregistry:\n  - /ip4/127.0.0.1/tcp/4711\n',
  'json: true\nnode:\n  listen: 127.0.0.1:4711\n  ttl: 90s\n',
  '# nothing\n',
  '{state: "/var/lib/rowfs", node: {tag: [a, b]}}',
  'a: &x [1, 2]\nnode: *x\n',
];

/** A config file as every command reads it, applied to one with options of every kind. */
export const config: Parser = {
  name: 'config',
  description: 'the YAML config file of the rowfs command',
  seeds: () => texts.map((text) => Buffer.from(text)),
  run(input) {
    ftruncateSync(file);
    writeSync(file, input, 0, input.length, 0);
    const program = new Command('rowfs');
    const command = program
      .command('node')
      .option('--listen <address>', 'a text')
      .option('--ttl <duration>', 'parsed', parseDuration)
      .option('--tag <tag...>', 'several')
      .option('--quiet', 'yes or no');
    addCommonOptions(command);
    unlessRefused([CliError], () =>
      applyConfigFile(program, command, `/proc/self/fd/${file}`, true),
    );
  },
};

const file = openNamelessFile();

/** A file without a name leaves nothing behind, however this thread ends. */
function openNamelessFile(): number {
  const directory = mkdtempSync(join(tmpdir(), 'rowfs-fuzz-'));
  try {
    return openSync(join(directory, 'config.yaml'), 'wx+');
  } finally {
    rmSync(directory, { recursive: true });
  }
}
