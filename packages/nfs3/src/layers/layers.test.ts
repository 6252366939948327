import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { procedureNames, type ProcedureName } from '../procedures/table.ts';
import { type Nfs3Layer, stack } from '../service.ts';
import { Mountstat3, Nfsstat3 } from '../status.ts';
import { argsOf, resultOf } from '../test-support/arbitraries.ts';
import { ctx } from '../test-support/context.ts';
import { createRecorder } from '../test-support/recorder.ts';
import { nullLayer } from './null-layer.ts';
import { squash } from './squash.ts';
import { statistics } from './statistics.ts';

// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- ties args to method
async function passes<P extends ProcedureName>(layer: Nfs3Layer, procedure: P): Promise<void> {
  const { service, calls, answer } = createRecorder();
  const top = stack(service, layer);
  const [args] = fc.sample(argsOf[procedure], 1);
  const [result] = fc.sample(resultOf[procedure], 1);
  answer(procedure, result!);
  assert.equal(await top[procedure](args as never, ctx), result, procedure);
  assert.equal(calls.length, 1);
  assert.equal(calls[0]!.procedure, procedure);
  assert.equal(calls[0]!.args, args);
}

for (const [name, layer] of [
  ['null layer', nullLayer],
  ['statistics layer', statistics().layer],
  ['squash layer', squash({ squash: 'root' })],
] as const) {
  describe(name, () => {
    it('passes every procedure down and its answer up, as they are', async () => {
      for (const procedure of procedureNames) await passes(layer, procedure);
    });

    it('passes NULL and MNT', async () => {
      const { service, calls, answerMount } = createRecorder();
      const result = { status: Mountstat3.OK, handle: Uint8Array.of(9), authFlavors: [1] };
      answerMount(result);
      const top = stack(service, layer);
      await top.null(ctx);
      assert.equal(await top.mount('/x', ctx), result);
      assert.deepEqual(
        calls.map((call) => [call.procedure, call.args]),
        [
          ['null', undefined],
          ['mount', '/x'],
        ],
      );
    });

    it('passes rejections', async () => {
      const { service, reject } = createRecorder();
      const gone = new Error('gone');
      reject(gone);
      const top = stack(service, layer);
      await assert.rejects(top.getattr({ object: Uint8Array.of(1) }, ctx), gone);
      await assert.rejects(top.mount('/', ctx), gone);
    });
  });
}

describe('statistics', () => {
  const file = Uint8Array.of(1);

  it('counts calls, statuses and payload', async () => {
    const { service, answer } = createRecorder();
    const { layer, snapshot } = statistics();
    const top = stack(service, layer);
    const fileWcc = { before: undefined, after: undefined };
    const data = [new Uint8Array(3), new Uint8Array(4)];
    answer('read', { status: Nfsstat3.OK, fileAttributes: undefined, count: 7, eof: true, data });
    answer('write', { status: Nfsstat3.NOSPC, fileWcc });
    await top.read({ file, offset: 0, count: 100 }, ctx);
    await top.read({ file, offset: 0, count: 100 }, ctx);
    await top.write({ file, offset: 0, count: 7, stable: 0, data }, ctx);
    await top.mount('/', ctx);
    const { read, write, mount, getattr } = snapshot();
    assert.deepEqual([read.calls, read.bytesUp, read.bytesDown, read.errors], [2, 14, 0, {}]);
    assert.deepEqual([write.calls, write.bytesDown], [1, 7]);
    assert.deepEqual(write.errors, { NFS3ERR_NOSPC: 1 });
    assert.deepEqual(mount.errors, { NFS3ERR_NOTSUPP: 1 });
    assert.deepEqual([getattr.calls, getattr.latency.mean, getattr.latency.max], [0, 0, 0]);
  });

  it('tells calls that run from those that ended without an answer', async () => {
    const { service } = createRecorder();
    const { layer, snapshot } = statistics();
    const { promise, reject } = Promise.withResolvers<never>();
    const top = stack({ ...service, getattr: () => promise }, layer);
    const running = top.getattr({ object: file }, ctx);
    assert.equal(snapshot().getattr.inFlight, 1);
    reject(new Error('gone'));
    await assert.rejects(running);
    const { inFlight, rejected, calls } = snapshot().getattr;
    assert.deepEqual([inFlight, rejected, calls], [0, 1, 1]);
  });

  it('summarises latency in microseconds', async () => {
    const { service } = createRecorder();
    const { layer, snapshot } = statistics();
    const slow = async () => {
      const until = performance.now() + 20;
      while (performance.now() < until);
      return { status: Nfsstat3.STALE };
    };
    await stack({ ...service, getattr: slow }, layer).getattr({ object: file }, ctx);
    const { latency } = snapshot().getattr;
    assert.ok(latency.p99 <= latency.max);
    for (const value of Object.values(latency)) assert.ok(value >= 19_900, JSON.stringify(latency));
  });
});
