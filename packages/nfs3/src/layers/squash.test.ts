import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Credential, NO_CREDENTIAL } from '@rowfs/oncrpc';
import fc from 'fast-check';
import { procedureNames } from '../procedures/table.ts';
import { stack } from '../service.ts';
import { argsOf } from '../test-support/arbitraries.ts';
import { ctx } from '../test-support/context.ts';
import { createRecorder } from '../test-support/recorder.ts';
import { squash, type SquashOptions } from './squash.ts';

const file = { object: Uint8Array.of(1) };

function sys(uid: number, gid: number, gids: readonly number[] = []): Credential {
  return { flavor: 'sys', stamp: 3, machinename: 'client', uid, gid, gids };
}

/** As whom a GETATTR of `credential` reaches the service: `uid:gid:groups`. */
async function reaches(options: SquashOptions, credential: Credential): Promise<string> {
  const { service, calls } = createRecorder();
  await stack(service, squash(options)).getattr(file, { ...ctx, credential });
  const seen = calls[0]!.credential;
  assert.ok(seen.flavor === 'sys');
  return `${seen.uid}:${seen.gid}:${seen.gids.join()}`;
}

describe('squash', () => {
  const anonymous = { uid: 99, gid: 98 };

  it('none leaves who brings AUTH_SYS alone', async () => {
    assert.equal(await reaches({ squash: 'none' }, sys(0, 0, [0, 4])), '0:0:0,4');
    assert.equal(await reaches({ squash: 'none', anonymous }, sys(5, 6, [7])), '5:6:7');
  });

  it('root takes uid 0 and group 0 from whoever has them', async () => {
    assert.equal(await reaches({ squash: 'root' }, sys(0, 0)), '65534:65534:');
    assert.equal(await reaches({ squash: 'root', anonymous }, sys(0, 10, [4, 0])), '99:10:4,98');
    assert.equal(await reaches({ squash: 'root', anonymous }, sys(5, 0, [0])), '5:98:98');
    assert.equal(await reaches({ squash: 'root', anonymous }, sys(5, 6, [7])), '5:6:7');
  });

  it('all makes everybody anonymous, without further groups', async () => {
    assert.equal(await reaches({ squash: 'all', anonymous }, sys(5, 6, [7])), '99:98:');
    assert.equal(await reaches({ squash: 'all' }, sys(0, 0, [0])), '65534:65534:');
  });

  it('knows a caller without AUTH_SYS as the anonymous user, whatever is squashed', async () => {
    for (const squashed of ['none', 'root', 'all'] as const) {
      assert.equal(await reaches({ squash: squashed, anonymous }, NO_CREDENTIAL), '99:98:');
      assert.equal(await reaches({ squash: squashed }, NO_CREDENTIAL), '65534:65534:');
    }
  });

  it('forgets no procedure', async () => {
    const { service, calls } = createRecorder();
    const top = stack(service, squash({ squash: 'all', anonymous }));
    for (const procedure of procedureNames) {
      const [args] = fc.sample<unknown>(argsOf[procedure], 1);
      await top[procedure](args as never, ctx);
    }
    for (const { procedure, credential } of calls) {
      assert.ok(credential.flavor === 'sys' && credential.uid === 99, procedure);
    }
    assert.equal(calls.length, procedureNames.length);
  });
});
