import {
  type Fattr3,
  Ftype3,
  ModeBits,
  modeBitsOf,
  type Nfs3Service,
  Nfsstat3,
  type RenameArgs,
  type RenameResult,
} from '@rowfs/nfs3';
import type { Decision, MergedObject } from './decision.ts';
import {
  checkMayAdd,
  checkMayTakeOut,
  type SearchedDirectory,
  searchedDirectory,
} from './may-change.ts';
import { answer, change, type Overlay, wccAtHand, wccOf } from './operation.ts';
import { Refusal } from './refusal.ts';

/**
 * RENAME: moves a name, whatever it names. A directory of the image keeps its identity, by which its
 * children are found: none of them is touched or copied.
 */
export function renameProcedures(overlay: Overlay): Pick<Nfs3Service, 'rename'> {
  return {
    rename: (args, ctx) =>
      answer(
        () => change(overlay, ctx, (tree) => rename(tree, args)),
        (status) => ({
          status,
          fromdirWcc: wccAtHand(overlay, ctx, args.from.dir),
          todirWcc: wccAtHand(overlay, ctx, args.to.dir),
        }),
      ),
  };
}

function rename(tree: Decision, { from, to }: RenameArgs): RenameResult {
  for (const { name } of [from, to]) {
    if (name === '.' || name === '..') throw new Refusal(Nfsstat3.INVAL);
  }
  // Both directories before either name: a handle that is stale is so whatever the names are.
  tree.resolve(to.dir);
  const source = searchedDirectory(tree, from.dir);
  const target = searchedDirectory(tree, to.dir);
  tree.checkName(from.name);
  const moved = tree.child(source.directory, from.name);
  if (moved === undefined) throw new Refusal(Nfsstat3.NOENT);
  tree.checkName(to.name);
  const replaced = tree.child(target.directory, to.name);
  if (tree.typeOf(moved) === Ftype3.DIR && isWithin(tree, target.directory, moved)) {
    throw new Refusal(Nfsstat3.INVAL);
  }
  // Two names of one object, or the same name: POSIX has it do nothing, and succeed.
  if (replaced === undefined || !tree.same(moved, replaced)) {
    move(tree, { source, moved, name: from.name }, { target, replaced, name: to.name });
  }
  return tree.answered('rename', {
    status: Nfsstat3.OK,
    fromdirWcc: wccOf(source.attributes, tree.attributes(source.directory)),
    todirWcc: wccOf(target.attributes, tree.attributes(target.directory)),
  });
}

interface Departure {
  readonly source: SearchedDirectory;
  readonly name: string;
  readonly moved: MergedObject;
}

interface Arrival {
  readonly target: SearchedDirectory;
  readonly name: string;
  /** What the new name stood for. */
  readonly replaced: MergedObject | undefined;
}

function move(tree: Decision, departure: Departure, { target, replaced, name }: Arrival): void {
  const { source, moved } = departure;
  const isDirectory = tree.typeOf(moved) === Ftype3.DIR;
  const stays = tree.same(source.directory, target.directory);
  // Not empty: it has in it, somewhere, what is to be moved.
  const isOverDirectory = replaced !== undefined && tree.typeOf(replaced) === Ftype3.DIR;
  if (isOverDirectory && isWithin(tree, source.directory, replaced)) {
    throw new Refusal(Nfsstat3.NOTEMPTY);
  }
  checkMayTakeOut(tree, source.attributes, moved);
  if (replaced === undefined) checkMayAdd(tree, target.attributes);
  else checkMayReplace(tree, target.attributes, replaced, isDirectory);
  // Its '..' becomes another, and that is an entry of its own.
  if (isDirectory && !stays && !mayWrite(tree, moved)) throw new Refusal(Nfsstat3.ACCES);
  if (replaced !== undefined) drop(tree, replaced, isDirectory);

  const links = isDirectory && !stays ? 1 : 0;
  tree.removeName(source.directory, departure.name, -links);
  const node = tree.touch(moved);
  const parent = isDirectory ? tree.touch(target.directory).id : node.parent;
  const placed = { ...node, parent, ctime: tree.stamp(node) };
  tree.put(placed);
  const gone = replaced !== undefined && isDirectory ? -1 : 0;
  tree.addName(target.directory, name, placed, links + gone);
}

/** True when `directory` is `ancestor` or lies below it. */
function isWithin(tree: Decision, directory: MergedObject, ancestor: MergedObject): boolean {
  for (let at = directory; !tree.same(at, ancestor); at = tree.parent(at)) {
    if (tree.isRoot(at)) return false;
  }
  return true;
}

/** @throws Refusal as rename(2) is refused over what is there. */
function checkMayReplace(
  tree: Decision,
  directory: Fattr3,
  replaced: MergedObject,
  byDirectory: boolean,
): void {
  checkMayTakeOut(tree, directory, replaced);
  const isDirectory = tree.typeOf(replaced) === Ftype3.DIR;
  if (byDirectory && !isDirectory) throw new Refusal(Nfsstat3.NOTDIR);
  if (!byDirectory && isDirectory) throw new Refusal(Nfsstat3.ISDIR);
}

function drop(tree: Decision, replaced: MergedObject, isDirectory: boolean): void {
  if (!isDirectory) {
    tree.dropLink(replaced);
    return;
  }
  if (!tree.isEmpty(replaced)) throw new Refusal(Nfsstat3.NOTEMPTY);
  tree.dropDirectory(replaced);
}

function mayWrite(tree: Decision, object: MergedObject): boolean {
  return (modeBitsOf(tree.attributes(object), tree.credential) & ModeBits.WRITE) !== 0;
}
