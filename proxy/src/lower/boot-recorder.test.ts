import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { buildImage, type Image } from '@rowfs/image';
import { pino } from 'pino';
import { blocksOfProfile } from '../boot-profile/boot-profile.ts';
import { readProfile } from '../boot-profile/profile-files.ts';
import { BootRecorder, type RecordedMachine } from './boot-recorder.ts';

const BLOCK_SIZE = 32 * 1024;
const { signal } = new AbortController();

let root: string;
let image: Image;
let directory: string;
let recorder: BootRecorder;
let runs = 0;

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'rowfs-boot-recorder-'));
  const tree = await mkdtemp(join(root, 'tree-'));
  await writeFile(join(tree, 'a'), randomBytes(4 * BLOCK_SIZE));
  await writeFile(join(tree, 'b'), randomBytes(100));
  ({ image } = await buildImage(tree, { blockSize: BLOCK_SIZE }));
});
after(() => rm(root, { recursive: true }));

beforeEach(() => {
  directory = join(root, `profiles-${(runs += 1)}`);
  const contents = { read: () => [] };
  const logger = pino({ level: 'silent' });
  recorder = new BootRecorder({ directory, image, contents, logger });
});

function read(machine: RecordedMachine, name: string, block = 0, blocks = 1): void {
  const fileid = image.lookup(image.root, name) ?? 0;
  void machine.contents.read(fileid, block * BLOCK_SIZE, blocks * BLOCK_SIZE, signal);
}

async function recorded(): Promise<{ boots: number; blocks: number[] } | undefined> {
  const profile = await readProfile(directory, image);
  return profile && { boots: profile.boots, blocks: [...blocksOfProfile(profile)] };
}

/** The number of a file's first block. */
const numberOf = (name: string): number =>
  image.runs(image.lookup(image.root, name) ?? 0)[0]?.number ?? Number.NaN;

describe('the boot recorder', () => {
  it('records what a boot reads, in the order of first use', async () => {
    const machine = recorder.machine();
    read(machine, 'a');
    machine.bootBegins();
    read(machine, 'a', 2, 2);
    read(machine, 'b');
    read(machine, 'a', 1, 3);
    await machine.close();
    const first = numberOf('a');
    const blocks = [first + 2, first + 3, numberOf('b'), first + 1];
    assert.deepEqual(await recorded(), { boots: 1, blocks });
  });

  it('records each boot of a machine as one of its own', async () => {
    const machine = recorder.machine();
    machine.bootBegins();
    read(machine, 'b');
    machine.bootBegins();
    read(machine, 'a');
    await machine.close();
    assert.deepEqual(await recorded(), { boots: 2, blocks: [numberOf('a'), numberOf('b')] });
  });

  it('records one of those that boot at once, and nothing of machines that work', async () => {
    const [first, second, working] = [recorder.machine(), recorder.machine(), recorder.machine()];
    first.bootBegins();
    second.bootBegins();
    read(first, 'b');
    read(second, 'a');
    read(working, 'a', 3);
    await second.close();
    assert.equal(await recorded(), undefined);
    await first.close();
    assert.deepEqual(await recorded(), { boots: 1, blocks: [numberOf('b')] });
    working.bootBegins();
    read(working, 'a', 3);
    await working.close();
    assert.equal((await recorded())?.boots, 2);
  });

  it('records nothing of a boot that read nothing', async () => {
    const machine = recorder.machine();
    machine.bootBegins();
    await machine.close();
    assert.equal(await recorded(), undefined);
  });
});
