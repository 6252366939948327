import fc from 'fast-check';
import type { PathClient } from './path-client.ts';

/** One change of a random walk; it may be refused, as a file system refuses what makes no sense. */
export type RandomChange = (client: PathClient) => Promise<void>;

/** Few names, so that they meet: those of {@link makeImage} among them. */
const name = fc.constantFrom('a', 'b', 'dir', 'c', 'h', 'sub', 'd', 's', 'new');
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join('/'));

const change: fc.Arbitrary<RandomChange> = fc.oneof(
  path.map(
    (at): RandomChange =>
      (client) =>
        client.create(at, `born as ${at}`),
  ),
  path.map(
    (at): RandomChange =>
      (client) =>
        client.mkdir(at),
  ),
  path.map(
    (at): RandomChange =>
      (client) =>
        client.symlink(at, 'somewhere'),
  ),
  path.map(
    (at): RandomChange =>
      (client) =>
        client.remove(at),
  ),
  path.map(
    (at): RandomChange =>
      (client) =>
        client.rmdir(at),
  ),
  fc.tuple(path, path).map(
    ([from, to]): RandomChange =>
      (client) =>
        client.rename(from, to),
  ),
  fc.tuple(path, path).map(
    ([from, to]): RandomChange =>
      (client) =>
        client.rename(from, to),
  ),
  fc.tuple(path, path).map(
    ([file, at]): RandomChange =>
      (client) =>
        client.link(file, at),
  ),
  fc.tuple(path, fc.nat(20_000)).map(
    ([at, offset]): RandomChange =>
      (client) =>
        client.write(at, offset, 'written'),
  ),
  fc.tuple(path, fc.nat(20_000)).map(
    ([at, size]): RandomChange =>
      (client) =>
        client.setattr(at, { size }),
  ),
  fc.tuple(path, fc.integer({ min: 0o100, max: 0o777 })).map(
    ([at, mode]): RandomChange =>
      (client) =>
        client.setattr(at, { mode }),
  ),
);

export const randomChanges: fc.Arbitrary<readonly RandomChange[]> = fc.array(change, {
  minLength: 1,
  maxLength: 40,
});

/** Makes all that are not refused. */
export async function makeChanges(
  client: PathClient,
  changes: readonly RandomChange[],
): Promise<void> {
  for (const each of changes) await each(client).catch(() => undefined);
}
