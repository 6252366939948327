import fc from 'fast-check';
import { type Filehandle, type Nfsstat3, StableHow, UNCHANGED } from '@rowfs/nfs3';
import { asRoot as ctx, type Overlaid } from './overlaid.ts';

const NAMES = ['a', 'b', 'c', 'd', 'h', 's', 'dir', 'sub', 'new', 'other'] as const;

const name = fc.constantFrom(...NAMES);
/** Which of the objects that there ever were, modulo their number. */
const nth = fc.nat(63);
const offset = fc.oneof(fc.nat(12_000), fc.constantFrom(0, 4095, 4096, 8192, 10_000));
const length = fc.oneof(fc.nat(9000), fc.constantFrom(1, 4096, 8192));

/** The contents of one image file more often than all others, for bugs hide in what follows what. */
const file = fc.oneof(fc.constant(1), nth);

const namespaceOperation = fc.oneof(
  fc.record({ type: fc.constant('create'), dir: nth, name }),
  fc.record({ type: fc.constant('mkdir'), dir: nth, name }),
  fc.record({ type: fc.constant('symlink'), dir: nth, name }),
  fc.record({ type: fc.constant('remove'), dir: nth, name }),
  fc.record({ type: fc.constant('rmdir'), dir: nth, name }),
  fc.record({ type: fc.constant('rename'), dir: nth, name, toDir: nth, toName: name }),
  fc.record({ type: fc.constant('link'), object: nth, dir: nth, name }),
  fc.record({ type: fc.constant('chmod'), object: nth, mode: fc.nat(0o777) }),
);

const contentsOperation = fc.oneof(
  fc.record({
    type: fc.constant('write'),
    object: file,
    offset,
    length,
    fill: fc.integer({ min: 1, max: 255 }),
    stable: fc.constantFrom(...Object.values(StableHow)),
  }),
  fc.record({ type: fc.constant('truncate'), object: file, size: offset }),
  fc.record({ type: fc.constant('commit'), object: file }),
);

const disturbance = fc.record({ type: fc.constantFrom('restart', 'crash') });

/** Operations by what they act on; directories and objects are numbers of the model's. */
export const operations = fc.oneof(
  { weight: 5, arbitrary: namespaceOperation },
  { weight: 6, arbitrary: contentsOperation },
  { weight: 1, arbitrary: disturbance },
);
export type Operation = typeof operations extends fc.Arbitrary<infer T> ? T : never;

/** Does an operation on the overlay. */
export async function perform(
  { service }: Overlaid,
  op: Operation,
  handleOf: (object: number) => Filehandle,
  directoryOf: (directory: number) => Filehandle,
): Promise<{ status: Nfsstat3; obj?: Filehandle | undefined }> {
  const place = (dir: number, entry: string): { dir: Filehandle; name: string } => ({
    dir: directoryOf(dir),
    name: entry,
  });
  switch (op.type) {
    case 'create': {
      const how = { mode: 'guarded', objAttributes: { ...UNCHANGED, mode: 0o644 } } as const;
      return service.create({ where: place(op.dir, op.name), how }, ctx);
    }
    case 'mkdir': {
      const attributes = { ...UNCHANGED, mode: 0o755 };
      return service.mkdir({ where: place(op.dir, op.name), attributes }, ctx);
    }
    case 'symlink': {
      const link = { symlinkAttributes: UNCHANGED, symlinkData: 'somewhere' };
      return service.symlink({ where: place(op.dir, op.name), ...link }, ctx);
    }
    case 'remove':
      return service.remove({ object: place(op.dir, op.name) }, ctx);
    case 'rmdir':
      return service.rmdir({ object: place(op.dir, op.name) }, ctx);
    case 'rename': {
      const to = place(op.toDir, op.toName);
      return service.rename({ from: place(op.dir, op.name), to }, ctx);
    }
    case 'link':
      return service.link({ file: handleOf(op.object), link: place(op.dir, op.name) }, ctx);
    case 'write': {
      const { offset: at, length: count, stable } = op;
      const data = [Buffer.alloc(count, op.fill)];
      return service.write({ file: handleOf(op.object), offset: at, count, stable, data }, ctx);
    }
    case 'truncate': {
      const newAttributes = { ...UNCHANGED, size: op.size };
      return service.setattr({ object: handleOf(op.object), newAttributes, guard: undefined }, ctx);
    }
    case 'commit':
      return service.commit({ file: handleOf(op.object), offset: 0, count: 0 }, ctx);
    case 'chmod': {
      const newAttributes = { ...UNCHANGED, mode: op.mode };
      return service.setattr({ object: handleOf(op.object), newAttributes, guard: undefined }, ctx);
    }
    case 'restart':
    case 'crash':
      throw new Error('not an operation of a client');
  }
}
