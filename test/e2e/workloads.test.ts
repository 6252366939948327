/** A short `pnpm workloads`: the proxy fails nothing that an unmodified read-write server passes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { requires } from '../support/requirements.ts';

const main = fileURLToPath(new URL('../workloads/main.ts', import.meta.url));

type Report = {
  readonly results: readonly {
    readonly workload: string;
    readonly fileSystem: string;
    readonly passed: number;
    readonly failures: readonly string[];
  }[];
  readonly proxyOnlyFailures: readonly string[];
};

test(
  'the same work on ext4, on a read-write server and through the proxy',
  { skip: requires('ganesha', 'qemu', 'guest-image', 'debian-tree') },
  async () => {
    const args = [main, 'fsx', 'posix', 'git'];
    const { exitCode, stdout } = await execa(process.execPath, args, { reject: false });
    assert.equal(exitCode, 0, stdout);
    const { results, proxyOnlyFailures } = JSON.parse(stdout.split('\n').at(-1) ?? '') as Report;
    assert.deepEqual(proxyOnlyFailures, []);
    for (const { workload, fileSystem, passed, failures } of results) {
      assert.ok(passed > 0, `${workload} did something on ${fileSystem}`);
      // What fails there would be a workload that asks for too much.
      if (fileSystem === 'ext4') assert.deepEqual(failures, [], workload);
    }
    // The three, and the unmounting at the end.
    assert.equal(results.length, 4 * 3);
  },
);

test('it knows no other workload and no other file system', async () => {
  for (const args of [['nosuch'], ['fsx', '--on', 'nosuch']]) {
    const { exitCode, stderr } = await execa(process.execPath, [main, ...args], { reject: false });
    assert.equal(exitCode, 2);
    assert.match(stderr, /is named 'nosuch'/);
  }
});
