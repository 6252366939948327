import assert from 'node:assert/strict';
import test from 'node:test';
import { bootGuest, GuestError, utf8 } from './guest.ts';
import { guestImage } from './guest-image.ts';
import { requires } from './requirements.ts';
import { testScope } from './test-scope.ts';

test(
  'a guest runs steps and reports how they end',
  { skip: requires('qemu', 'guest-image') },
  async (t) => {
    const scope = await testScope(t);
    const { directory } = scope;
    const guest = scope.own(await bootGuest({ image: await guestImage(), directory }));
    const failsWith = (code: string) => (error: unknown) =>
      error instanceof GuestError && error.code === code;

    assert.deepEqual(await guest.tryRun('echo out; echo err >&2; exit 7'), {
      status: 7,
      stdout: 'out\n',
      stderr: 'err\n',
    });
    assert.deepEqual(await guest.run('true'), { status: 0, stdout: '', stderr: '' });
    assert.equal((await guest.run("printf '\\377\\0\\n'")).stdout, '\xff\0\n');
    assert.equal(utf8((await guest.run('echo ☕')).stdout), '☕\n');
    assert.equal((await guest.run('yes | head -c 1000000')).stdout, 'y\n'.repeat(500_000));
    await assert.rejects(guest.run('false'), failsWith('GUEST_STEP_FAILED'));

    // A step that hangs does not keep others from running, even one that lets it go on.
    const waiting = guest.run('until [ -e /tmp/go ]; do usleep 10000; done; echo went');
    await guest.run('touch /tmp/go');
    assert.equal((await waiting).stdout, 'went\n');
    await assert.rejects(guest.run('sleep 60', { timeoutMs: 50 }), failsWith('GUEST_TIMEOUT'));

    // What the kernel would write when the emulator stalls one of its CPUs.
    const stalled = assert.rejects(guest.run('sleep 60'), failsWith('GUEST_LOCKUP'));
    await guest
      .tryRun("echo 'watchdog: BUG: soft lockup - CPU#0 stuck' >/dev/ttyS0")
      .catch(() => 0);
    await stalled;
    await assert.rejects(guest.run('true'), failsWith('GUEST_LOCKUP'));
  },
);
