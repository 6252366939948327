import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { leafCommands } from './options.ts';
import { createProgram } from './run.ts';

const main = fileURLToPath(new URL('main.ts', import.meta.url));

function rowfs(...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], (error, stdout, stderr) => {
      resolve({ status: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}

describe('rowfs', () => {
  it('every command has a description, examples, and an environment variable for each option', async () => {
    const program = await createProgram();
    for (const command of new Set([...program.commands, ...leafCommands(program)])) {
      assert.ok(command.description() !== '', command.name());
      let help = '';
      command.configureOutput({ writeOut: (text) => (help += text) });
      command.outputHelp();
      assert.match(help, /Examples?:\n {2}\$ rowfs /, command.name());
      for (const option of command.options) {
        assert.match(option.envVar ?? '', /^ROWFS_[A-Z_]+$/, `${command.name()} ${option.flags}`);
      }
    }
  });

  it('says in one line what was wrong with a command line, and ends with 2', async () => {
    for (const [args, expected] of [
      [['frobnicate'], /unknown command 'frobnicate'/],
      [['publish', '--version', '1', '--server', 'host:/x'], /missing required argument 'name'/],
      [['publish', 'x', '--version', '1'], /required option '--server/],
      [['publish', 'x', '--version', '1', '--server', 'nonsense'], /is not an NFS export/],
      [['proxy', 'x', '--listen', 'nowhere'], /expected HOST:PORT/],
      [['gc', 'x', '--keep', '0'], /at least 1/],
    ] as const) {
      const { status, stderr } = await rowfs(...args);
      assert.match(stderr, expected);
      assert.ok(!stderr.includes('    at '), stderr);
      assert.notEqual(status, 0);
    }
  });

  it('prints an error as JSON where a script asked for it', async () => {
    const { status, stdout, stderr } = await rowfs(
      'resolve',
      'nameless',
      '--json',
      '--state',
      '/nonexistent',
    );
    assert.equal(status, 1);
    assert.equal(stdout, '');
    const { error } = JSON.parse(stderr) as { error: { code: string; message: string } };
    assert.equal(error.code, 'KEY_UNREADABLE');
  });
});
