import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { InvalidArgumentError } from 'commander';
import { parseDuration, parseSize } from './options.ts';
import { createProgram } from './run.ts';
import { parseUidGid } from './squash-options.ts';

describe('duration', () => {
  it('is a number and a unit', () => {
    assert.equal(parseDuration('90s'), 90);
    assert.equal(parseDuration('30d'), 30 * 86_400);
  });

  it('is refused without a unit, and when no number can hold its seconds', () => {
    for (const text of ['90', '-1s', '1.5h', '99999999999999d', `${'9'.repeat(400)}s`]) {
      assert.throws(() => parseDuration(text), InvalidArgumentError);
    }
  });
});

describe('size', () => {
  it('is bytes, or a number and a unit of 1024', () => {
    assert.equal(parseSize('4096'), 4096);
    assert.equal(parseSize('0'), 0);
    assert.equal(parseSize('64M'), 64 * 2 ** 20);
    assert.equal(parseSize('10G'), 10 * 2 ** 30);
  });

  it('is refused when it is nothing of the kind, and when no number can hold it', () => {
    for (const text of ['', 'G', '1.5G', '-1', '10g', '10GB', '9999999T']) {
      assert.throws(() => parseSize(text), InvalidArgumentError);
    }
  });
});

describe('the anonymous user', () => {
  it('is a user and a group, neither of them -1', () => {
    assert.deepEqual(parseUidGid('99:100'), { uid: 99, gid: 100 });
    for (const text of ['99', '99:', '-1:0', '4294967295:0', '0:4294967295', 'nobody:nogroup']) {
      assert.throws(() => parseUidGid(text), InvalidArgumentError);
    }
  });
});

describe('the environment', () => {
  /** The options of `rowfs proxy` and `rowfs node` as an environment and a command line give them. */
  async function optionsOf(
    args: string[],
    env: Record<string, string>,
  ): Promise<Record<string, unknown>> {
    const program = await createProgram();
    for (const command of program.commands) {
      command.exitOverride().configureOutput({ writeErr: () => undefined });
      command.action(() => undefined);
    }
    Object.assign(process.env, env);
    try {
      program.parse(['node', 'rowfs', ...args]);
    } finally {
      for (const name of Object.keys(env)) Reflect.deleteProperty(process.env, name);
    }
    return program.commands.find((each) => each.name() === args[0])?.opts() ?? {};
  }

  it("gives a command's own options, each in its own type, below the command line", async () => {
    const env = {
      ROWFS_PROXY_LISTEN: '10.0.0.1:2049',
      ROWFS_PROXY_LEASE: '5m',
      ROWFS_JSON: 'true',
    };
    const options = await optionsOf(['proxy', 'x', '--lease', '6m'], env);
    assert.deepEqual(options['listen'], { host: '10.0.0.1', port: 2049 });
    assert.equal(options['lease'], 360);
    assert.equal(options['json'], true);
    assert.equal((await optionsOf(['ls', 'x'], { ROWFS_JSON: '0' }))['json'], false);
  });

  it('gives several values between blanks', async () => {
    const env = {
      ROWFS_REGISTRY: '/ip4/10.0.0.1/tcp/1  /ip4/10.0.0.2/tcp/2',
      ROWFS_PROXY_SERVER: 'a:2049,2050:/x b:/y',
    };
    const options = await optionsOf(['proxy'], env);
    assert.deepEqual(options['registry'], ['/ip4/10.0.0.1/tcp/1', '/ip4/10.0.0.2/tcp/2']);
    assert.deepEqual(
      (options['server'] as { host: string; export: string }[]).map((each) => each.export),
      ['/x', '/y'],
    );
    assert.deepEqual(
      (await optionsOf(['proxy', '--registry', '/ip4/10.0.0.3/tcp/3'], env))['registry'],
      ['/ip4/10.0.0.3/tcp/3'],
      'a flag replaces the list',
    );
  });

  it('takes a flag that says no for what it says', async () => {
    const publish = ['publish', 'x', '--version', '1', '--server', 'a:/x'];
    assert.equal((await optionsOf(publish, {}))['manifest'], undefined);
    assert.equal((await optionsOf(publish, { ROWFS_PUBLISH_NO_MANIFEST: '1' }))['manifest'], false);
    assert.equal(
      (await optionsOf(publish, { ROWFS_PUBLISH_NO_MANIFEST: '0' }))['manifest'],
      undefined,
    );
    assert.equal(
      (await optionsOf(publish, { ROWFS_PUBLISH_MANIFEST: 'a file' }))['manifest'],
      'a file',
    );
  });

  it('names the variable that is wrong', async () => {
    await assert.rejects(
      () => optionsOf(['proxy', 'x'], { ROWFS_PROXY_LEASE: 'soon' }),
      /ROWFS_PROXY_LEASE='soon'/,
    );
    await assert.rejects(
      () => optionsOf(['ls', 'x'], { ROWFS_JSON: 'maybe' }),
      /ROWFS_JSON='maybe'/,
    );
  });
});
