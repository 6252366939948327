import {
  Access3,
  checkAccess,
  Ftype3,
  mayUnlink,
  type Nfs3Service,
  Nfsstat3,
  type RenameArgs,
  type RenameResult,
} from '@rowfs/nfs3';
import type { Decision, MergedObject } from './decision.ts';
import { answer, change, type Overlay, wccAtHand, wccOf } from './operation.ts';
import { Refusal } from './refusal.ts';
import { removable } from './remove.ts';

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
  const source = removable(tree, from);
  const directory = tree.resolveDirectory(to.dir);
  const attributes = tree.attributes(directory);
  tree.checkName(to.name);
  if (checkAccess(attributes, tree.credential, Access3.EXTEND) === 0) {
    throw new Refusal(Nfsstat3.ACCES);
  }
  const moved = source.object;
  const isDirectory = tree.typeOf(moved) === Ftype3.DIR;
  const replaced = tree.child(directory, to.name);
  // Two names of one object, or the same name: POSIX has it do nothing, and succeed.
  if (replaced === undefined || !tree.same(moved, replaced)) {
    if (isDirectory) refuseIntoItself(tree, moved, directory);
    if (replaced !== undefined) replace(tree, directory, replaced, isDirectory);
    const stays = tree.same(source.directory, directory);
    const links = isDirectory && !stays ? 1 : 0;
    tree.removeName(source.directory, from.name, -links);
    const node = tree.touch(moved);
    const parent = isDirectory ? tree.touch(directory).id : node.parent;
    const placed = { ...node, parent, ctime: tree.stamp(node) };
    tree.put(placed);
    const gone = replaced !== undefined && isDirectory ? -1 : 0;
    tree.addName(directory, to.name, placed, links + gone);
  }
  return {
    status: Nfsstat3.OK,
    fromdirWcc: wccOf(source.attributes, tree.attributes(source.directory)),
    todirWcc: wccOf(attributes, tree.attributes(directory)),
  };
}

/** @throws Refusal INVAL when `target` is `moved` or lies below it: it would hang in the air. */
function refuseIntoItself(tree: Decision, moved: MergedObject, target: MergedObject): void {
  let directory = target;
  while (!tree.same(directory, moved)) {
    if (tree.isRoot(directory)) return;
    directory = tree.parent(directory);
  }
  throw new Refusal(Nfsstat3.INVAL);
}

/** Drops what the new name stood for. The errors are those of rename(2). */
function replace(
  tree: Decision,
  directory: MergedObject,
  replaced: MergedObject,
  byDirectory: boolean,
): void {
  if (!mayUnlink(tree.attributes(directory), tree.attributes(replaced), tree.credential)) {
    throw new Refusal(Nfsstat3.ACCES);
  }
  const isDirectory = tree.typeOf(replaced) === Ftype3.DIR;
  if (byDirectory && !isDirectory) throw new Refusal(Nfsstat3.NOTDIR);
  if (!byDirectory && isDirectory) throw new Refusal(Nfsstat3.ISDIR);
  if (!isDirectory) {
    tree.dropLink(replaced);
    return;
  }
  if (!tree.isEmpty(replaced)) throw new Refusal(Nfsstat3.NOTEMPTY);
  tree.dropDirectory(replaced);
}
