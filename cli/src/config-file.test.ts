import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Command, Option } from 'commander';
import { applyConfigFile } from './config-file.ts';
import { CliError } from './errors.ts';
import { parseHostPort, wholeNumber } from './options.ts';

describe('the config file', () => {
  let directory = '';
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'rowfs-config-'));
  });
  after(() => rm(directory, { recursive: true, force: true }));

  /** What `start` is told to do by a config file, an environment and a command line. */
  async function optionsOf(
    yaml: string,
    { flags = [], env = {} }: { flags?: string[]; env?: Record<string, string> } = {},
  ): Promise<Record<string, unknown>> {
    const file = join(directory, 'config.yaml');
    await writeFile(file, yaml);
    const program = new Command('rowfs').exitOverride();
    const command = program
      .command('start')
      .addOption(new Option('--state <dir>').default('/default'))
      .addOption(new Option('--count <n>').argParser(wholeNumber(1)).env('ROWFS_TEST_COUNT'))
      .addOption(new Option('--listen <host:port>').argParser(parseHostPort))
      .addOption(new Option('--peer <address...>').default([]))
      .addOption(new Option('--json').default(false))
      .action(() => undefined);
    program.command('other').option('--state <dir>');
    program.hook('preAction', () => applyConfigFile(program, command, file, true));
    Object.assign(process.env, env);
    try {
      await program.parseAsync(['node', 'rowfs', 'start', ...flags]);
    } finally {
      for (const name of Object.keys(env)) Reflect.deleteProperty(process.env, name);
    }
    return command.opts();
  }

  async function refusal(yaml: string): Promise<string> {
    try {
      await optionsOf(yaml);
    } catch (error) {
      assert.ok(error instanceof CliError);
      assert.equal(error.code, 'BAD_CONFIG');
      assert.ok(!error.message.includes('\n'), 'one line');
      return error.message;
    }
    return assert.fail('nothing was refused');
  }

  it('gives options their values, each in its own type', async () => {
    const options = await optionsOf(
      'state: /srv\njson: true\nstart:\n  count: 3\n  listen: 10.0.0.1:2049\n  peer: [a, b]\n',
    );
    assert.deepEqual(options, {
      state: '/srv',
      json: true,
      count: 3,
      listen: { host: '10.0.0.1', port: 2049 },
      peer: ['a', 'b'],
    });
  });

  it('yields to the environment, and the environment to a flag', async () => {
    const yaml = 'start: { count: 3 }\nstate: /srv\n';
    const env = { ROWFS_TEST_COUNT: '4' };
    assert.equal((await optionsOf(yaml))['count'], 3);
    assert.equal((await optionsOf(yaml, { env }))['count'], 4);
    assert.equal((await optionsOf(yaml, { env, flags: ['--count', '5'] }))['count'], 5);
    assert.equal((await optionsOf(yaml, { flags: ['--state', '/flag'] }))['state'], '/flag');
  });

  it("leaves out what stands below another command's name", async () => {
    assert.equal((await optionsOf('other: { state: /elsewhere }\n'))['state'], '/default');
  });

  it('names what is wrong', async () => {
    assert.match(await refusal('sate: /srv\n'), /'sate' is no option/);
    assert.match(await refusal('start: { count: many }\n'), /'--count': expected a whole number/);
    assert.match(await refusal('start: 5\n'), /'start' is a command/);
    assert.match(await refusal('state: [unclosed\n'), /config\.yaml/);
  });
});
