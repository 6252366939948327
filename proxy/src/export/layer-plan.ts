import type { Change } from '../inspect/changes.ts';

/** What a layer must hold so that the image below it becomes the machine's tree. */
export interface LayerPlan {
  /** Names of the image that are gone. */
  readonly whiteouts: readonly string[];
  /** Directories of which nothing of the image may show. */
  readonly opaque: ReadonlySet<string>;
  /** Objects to be written, the root being ''. */
  readonly paths: ReadonlySet<string>;
  /** Directories to be written with all that is in them. */
  readonly whole: ReadonlySet<string>;
}

/**
 * Plans a layer as the OCI image specification has it ("Image Layer Filesystem Changeset"): objects
 * that were added or changed, whole; directories above them, so that they keep their times; whiteouts
 * for what is gone; an opaque whiteout in a directory that took another one's place.
 *
 * A layer has no renames: a renamed directory is a whiteout and all of its contents.
 *
 * @param changes with the mtimes of directories.
 */
export function planLayer(changes: readonly Change[]): LayerPlan {
  const gone = new Set<string>();
  const replaced = new Set<string>();
  const opaque = new Set<string>();
  const whole = new Set<string>();
  const paths = new Set<string>();
  for (const { path, kind, type, from, replaces, object } of changes) {
    if (kind === 'removed') gone.add(path);
    if (kind === 'renamed' && from !== undefined) gone.add(from);
    if (kind === 'removed') continue;
    if (replaces !== undefined) {
      replaced.add(path);
      if (type === 'directory') opaque.add(path);
    }
    if (kind === 'renamed' && type === 'directory') whole.add(path);
    // A changed file is written under each of its names, so that they stay one file.
    for (const name of type === 'directory' ? [path] : [path, ...(object?.names ?? [])])
      paths.add(name);
  }
  const isBelowAnother = (path: string): boolean =>
    parentsOf(path).some((parent) => gone.has(parent) || replaced.has(parent));
  const whiteouts = [...gone].filter((path) => !replaced.has(path) && !isBelowAnother(path));
  for (const path of [...paths, ...whiteouts])
    for (const parent of parentsOf(path)) paths.add(parent);
  return { whiteouts: whiteouts.sort(), opaque, paths, whole };
}

/** The directories above a path, the root '' first. */
export function parentsOf(path: string): string[] {
  const parents: string[] = [];
  for (let at = path.indexOf('/'); at !== -1; at = path.indexOf('/', at + 1))
    parents.push(path.slice(0, at));
  return path === '' ? [] : parents;
}
