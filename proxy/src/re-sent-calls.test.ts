import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import {
  connectNfs3,
  type Filehandle,
  Ftype3,
  Mountstat3,
  type Nfs3Service,
  Nfsstat3,
  UNCHANGED,
} from '@rowfs/nfs3';
import { TestBench, testContext as ctx } from './test-support/image-servers.ts';
import { PathClient } from './test-support/path-client.ts';
import { CallRecorder, type RecordedCall, sendRecord } from './test-support/recorded-calls.ts';
import { linesOfClient } from './test-support/tree-lines.ts';

/** Where the xid stands in a record, behind its mark. */
const XID_AT = 4;

let bench: TestBench;
beforeEach(() => {
  bench = new TestBench();
});
afterEach(() => bench.close());

describe('a call whose answer was lost with the proxy that gave it', () => {
  it('is answered by the next one as it was, whatever it changed', async () => {
    const start = await starter();
    const first = await start();
    const { recorder, client, root } = await recordingClient(first.address);
    const calls: RecordedCall[] = [];
    for (const change of await everyChange(client, root)) {
      calls.push(await recorder.record(change));
    }
    const left = await linesOfClient(await PathClient.mount(connectedTo(first.address)));
    await first.kill();

    const again = await start();
    for (const { call, reply } of calls)
      assert.equal(
        (await sendRecord(again.address.port, call)).toString('hex'),
        reply.toString('hex'),
      );
    const found = await linesOfClient(await PathClient.mount(connectedTo(again.address)));
    assert.deepEqual(found, left);
  });

  it('is told from another call of the same xid', async () => {
    const start = await starter();
    const first = await start();
    const { recorder, client, root } = await recordingClient(first.address);
    const remove = (name: string) => client.remove({ object: { dir: root, name } }, ctx);
    const removed = await recorder.record(() => remove('removed'));
    const refused = await recorder.record(() => remove('removee'));
    await first.kill();

    const again = await start();
    const { port } = again.address;
    const sameXid = Buffer.from(refused.call);
    removed.call.copy(sameXid, XID_AT, XID_AT, XID_AT + 4);
    assert.equal(statusOf(await sendRecord(port, sameXid)), Nfsstat3.NOENT);
    const otherXid = Buffer.from(removed.call);
    refused.call.copy(otherXid, XID_AT, XID_AT, XID_AT + 4);
    assert.equal(statusOf(await sendRecord(port, otherXid)), Nfsstat3.NOENT);
    assert.deepEqual(await sendRecord(port, removed.call), removed.reply);
  });
});

/** Starts the proxy in a process of its own, each time over the same shadow. */
async function starter(): Promise<() => ReturnType<TestBench['proxyProcess']>> {
  const image = await bench.directory();
  await mkdir(join(image, 'vacant'));
  for (const name of ['cut', 'changed', 'removed', 'renamed', 'linked'])
    await writeFile(join(image, name), `contents of ${name}`);
  const servers = [await bench.serve(image)];
  const stateDirectory = join(await bench.directory(), 'state');
  return () => bench.proxyProcess({ stateDirectory, version: '1', servers });
}

function connectedTo({ port, mountPort }: { port: number; mountPort: number }): Nfs3Service {
  const client = connectNfs3({ host: '127.0.0.1', port, mountPort });
  bench.onClose(() => client.close());
  return client;
}

async function recordingClient(address: {
  readonly port: number;
  readonly mountPort: number;
}): Promise<{ recorder: CallRecorder; client: Nfs3Service; root: Filehandle }> {
  const recorder = await CallRecorder.listen(address.port);
  bench.onClose(() => recorder.close());
  const client = connectedTo({ port: recorder.port, mountPort: address.mountPort });
  const mounted = await client.mount('/', ctx);
  assert.ok(mounted.status === Mountstat3.OK);
  return { recorder, client, root: mounted.handle };
}

/** A change by each procedure that is not idempotent, in each of its ways; every one succeeds. */
async function everyChange(client: Nfs3Service, dir: Filehandle) {
  const at = (name: string) => ({ dir, name });
  const succeeds = async (answer: Promise<{ readonly status: number }>): Promise<void> =>
    assert.equal((await answer).status, Nfsstat3.OK);
  const mode = { ...UNCHANGED, mode: 0o640 };
  const find = async (name: string): Promise<Filehandle> => {
    const found = await client.lookup({ what: at(name) }, ctx);
    assert.ok(found.status === Nfsstat3.OK);
    return found.object;
  };
  const [cut, changed, linked] = [await find('cut'), await find('changed'), await find('linked')];
  const attributes = await client.getattr({ object: changed }, ctx);
  assert.ok(attributes.status === Nfsstat3.OK);
  const guard = attributes.attributes.ctime;
  const create = (name: string, how: Parameters<Nfs3Service['create']>[0]['how']) => () =>
    succeeds(client.create({ where: at(name), how }, ctx));
  return [
    create('guarded', { mode: 'guarded', objAttributes: mode }),
    create('exclusive', { mode: 'exclusive', verf: 0x1234_5678n }),
    create('unchecked', { mode: 'unchecked', objAttributes: mode }),
    create('cut', { mode: 'unchecked', objAttributes: { ...UNCHANGED, size: 3 } }),
    () => succeeds(client.setattr({ object: changed, newAttributes: mode, guard }, ctx)),
    () =>
      succeeds(
        client.setattr(
          { object: cut, newAttributes: { ...UNCHANGED, size: 1 }, guard: undefined },
          ctx,
        ),
      ),
    () => succeeds(client.mkdir({ where: at('directory'), attributes: mode }, ctx)),
    () =>
      succeeds(
        client.symlink(
          { where: at('symlink'), symlinkAttributes: UNCHANGED, symlinkData: 'to/it' },
          ctx,
        ),
      ),
    () =>
      succeeds(
        client.mknod({ where: at('fifo'), what: { type: Ftype3.FIFO, attributes: mode } }, ctx),
      ),
    () => succeeds(client.link({ file: linked, link: at('second') }, ctx)),
    () => succeeds(client.rename({ from: at('renamed'), to: at('name') }, ctx)),
    () => succeeds(client.rename({ from: at('name'), to: at('guarded') }, ctx)),
    () => succeeds(client.remove({ object: at('removed') }, ctx)),
    () => succeeds(client.rmdir({ object: at('vacant') }, ctx)),
  ];
}

/** The nfsstat3 of an accepted reply: behind mark, xid, type, reply_stat, empty verifier and accept_stat. */
function statusOf(reply: Buffer): number {
  return reply.readUInt32BE(28);
}
