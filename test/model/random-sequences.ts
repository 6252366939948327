import fc from 'fast-check';
import { StableHow } from '@rowfs/nfs3';
import { CALLERS, TEAM } from './callers.ts';
import type { Disturbance, Loss, Operation, Step } from './operation.ts';

const NAMES = ['a', 'b', 'c', 'd', 'e', 'h', 's', 'dir', 'sub', 'team', 'new', 'other'];
const ODD_NAMES = ['n'.repeat(255), 'n'.repeat(256), '\xff\xfe no utf-8 \x80', 'new\nline'];

const name = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom(...NAMES) },
  { weight: 1, arbitrary: fc.constantFrom(...ODD_NAMES) },
);
/** Which object, modulo how many there are. */
const nth = fc.nat(1023);
const where = fc.record({ dir: nth, name });
const mode = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(0o644, 0o755, 0o600, 0o777, 0o444, 0o664) },
  { weight: 1, arbitrary: fc.nat(0o7777) },
);
const id = fc.constantFrom(...CALLERS.map(({ uid }) => uid));
const group = fc.constantFrom(...CALLERS.map(({ gid }) => gid), TEAM);
/** On and off the edges of blocks, and far beyond the end. */
const offset = fc.oneof(
  fc.nat(12_000),
  fc.constantFrom(0, 4095, 4096, 4097, 8192, 10_000, 69_999, 70_000, 200_000),
);
const length = fc.oneof(fc.nat(9000), fc.constantFrom(0, 1, 4096, 8192));

const type = <const T extends string>(value: T): fc.Arbitrary<T> => fc.constant(value);
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined });

const contents: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      type: type('write'),
      object: nth,
      offset,
      length,
      fill: fc.integer({ min: 1, max: 255 }),
      stable: fc.constantFrom(...Object.values(StableHow)),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: type('commit'), object: nth }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: type('read'), object: nth, offset, count: length }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: type('setattr'),
      object: nth,
      wanted: fc.record({ size: offset }),
      guard: fc.constant('none' as const),
    }),
  },
);

const names: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({
    type: type('create'),
    where,
    how: fc.constantFrom('unchecked' as const, 'guarded' as const),
    mode,
    size: maybe(fc.constantFrom(0, 5000)),
    gid: fc.oneof(
      { weight: 5, arbitrary: fc.constant(undefined) },
      { weight: 1, arbitrary: group },
    ),
  }),
  fc.record({ type: type('create exclusive'), where, verf: fc.nat(3) }),
  fc.record({ type: type('mkdir'), where, mode: mode.map((bits) => bits & 0o1777) }),
  fc.record({
    type: type('symlink'),
    where,
    target: fc.constantFrom('somewhere', 'dir/c', '\xff\x80'),
  }),
  fc.record({
    type: type('mknod'),
    where,
    kind: fc.constantFrom('fifo', 'socket', 'character device', 'block device'),
    mode: mode.map((bits) => bits & 0o777),
  }),
  fc.record({ type: type('remove'), where }),
  fc.record({ type: type('rmdir'), where }),
  fc.record({ type: type('rename'), where, to: where }),
  fc.record({ type: type('rename'), where, to: where }),
  fc.record({ type: type('link'), object: nth, where }),
);

const attributes: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({
    type: type('setattr'),
    object: nth,
    wanted: fc.record({
      mode: maybe(mode),
      uid: maybe(id),
      gid: maybe(group),
      size: fc.oneof(
        { weight: 4, arbitrary: fc.constant(undefined) },
        { weight: 1, arbitrary: offset },
      ),
      times: fc.oneof(
        fc.constant(undefined),
        fc.constant('server-time' as const),
        fc.record({ atime: fc.nat(2 ** 31 - 1), mtime: fc.nat(2 ** 31 - 1) }),
      ),
    }),
    guard: fc.constantFrom('none' as const, 'right' as const, 'wrong' as const),
  }),
  fc.record({
    type: type('setattr'),
    object: nth,
    wanted: fc.record({ mode }),
    guard: fc.constant('none' as const),
  }),
);

const questions: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({
    type: type('lookup'),
    where: fc.record({ dir: nth, name: fc.oneof(name, fc.constantFrom('.', '..')) }),
  }),
  fc.record({ type: type('access'), object: nth }),
  fc.record({ type: type('readlink'), object: nth }),
  fc.record({
    type: type('list'),
    object: nth,
    plus: fc.boolean(),
    pageBytes: fc.constantFrom(600, 1000, 8192),
  }),
  fc.record({
    type: type('about the file system'),
    object: nth,
    procedure: fc.constantFrom('fsstat', 'fsinfo', 'pathconf'),
  }),
);

const operation = fc.oneof(
  { weight: 6, arbitrary: contents },
  { weight: 10, arbitrary: names },
  { weight: 3, arbitrary: attributes },
  { weight: 3, arbitrary: questions },
);

const loss: fc.Arbitrary<Loss | undefined> = fc.oneof(
  { weight: 9, arbitrary: fc.constant(undefined) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Loss[]>(
      'the call is lost',
      'the reply is lost',
      'it is cut while the call runs',
    ),
  },
);

const disturbance = fc.constantFrom<Disturbance[]>(
  'restart of the proxy',
  'kill of the proxy',
  'next call to the image server is lost',
);

/** Root is drawn as often as all others together: most of what it does succeeds. */
const caller = fc.constantFrom(...CALLERS.map((_, index) => index), 0, 0);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 24, arbitrary: fc.record({ operation, caller, loss }) },
  { weight: 1, arbitrary: fc.record({ disturbance }) },
);

export interface RandomSequence {
  readonly steps: readonly Step[];
  /** Of the shadow, in bytes; undefined for one that has all the room it wants. */
  readonly quota: number | undefined;
}

/** One in five has a quota: from next to nothing to most of what a sequence takes. */
const quota = fc.oneof(
  { weight: 4, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.integer({ min: 2, max: 24 }).map((blocks) => blocks * 4096) },
);

/** Of `maxLength` steps at most. */
export function randomSequences(maxLength: number): fc.Arbitrary<RandomSequence> {
  const steps = fc.array(step, { minLength: 1, maxLength, size: 'max' });
  return fc
    .record({ steps, quota })
    .map((drawn) =>
      drawn.quota === undefined ? drawn : { ...drawn, steps: underQuota(drawn.steps) },
    );
}

/**
 * Without what a quota makes another matter: what a kill takes may find no room when it is sent again;
 * and a write by others than root takes set-ID bits off before there is room for its data, as on
 * Linux, where the disk beside has room and is not asked.
 */
function underQuota(steps: readonly Step[]): Step[] {
  return steps
    .filter((each) => !('disturbance' in each && each.disturbance === 'kill of the proxy'))
    .map((each) =>
      'operation' in each && each.operation.type === 'write' ? { ...each, caller: 0 } : each,
    );
}
