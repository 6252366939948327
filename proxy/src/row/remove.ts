import { type Diropargs3, Ftype3, type Nfs3Service, Nfsstat3 } from '@rowfs/nfs3';
import type { Decision, MergedObject } from './decision.ts';
import { checkMayTakeOut, type SearchedDirectory, searchedDirectory } from './may-change.ts';
import { answer, change, type Overlay, wccAtHand, wccOf } from './operation.ts';
import { Refusal } from './refusal.ts';

/** REMOVE and RMDIR over the merged tree. */
export function removeProcedures(overlay: Overlay): Pick<Nfs3Service, 'remove' | 'rmdir'> {
  return {
    remove: ({ object: what }, ctx) =>
      answer(
        () =>
          change(overlay, ctx, (tree) => {
            const { directory, attributes, object } = removable(tree, what);
            if (tree.typeOf(object) === Ftype3.DIR) throw new Refusal(Nfsstat3.ISDIR);
            tree.dropLink(object);
            tree.removeName(directory, what.name, 0);
            const dirWcc = wccOf(attributes, tree.attributes(directory));
            return tree.answered('remove', { status: Nfsstat3.OK, dirWcc });
          }),
        (status) => ({ status, dirWcc: wccAtHand(overlay, ctx, what.dir) }),
      ),

    rmdir: ({ object: what }, ctx) =>
      answer(
        () =>
          change(overlay, ctx, (tree) => {
            const { directory, attributes, object } = removable(tree, what);
            if (tree.typeOf(object) !== Ftype3.DIR) throw new Refusal(Nfsstat3.NOTDIR);
            if (!tree.isEmpty(object)) throw new Refusal(Nfsstat3.NOTEMPTY);
            tree.dropDirectory(object);
            tree.removeName(directory, what.name, -1);
            const dirWcc = wccOf(attributes, tree.attributes(directory));
            return tree.answered('rmdir', { status: Nfsstat3.OK, dirWcc });
          }),
        (status) => ({ status, dirWcc: wccAtHand(overlay, ctx, what.dir) }),
      ),
  };
}

/** The entry of a directory that the caller may take out of it. */
interface Removable extends SearchedDirectory {
  readonly object: MergedObject;
}

/** @throws Refusal NOENT, ACCES, PERM, and INVAL or EXIST for '.' and '..' (RFC 1813 section 3.3.13). */
function removable(tree: Decision, { dir, name }: Diropargs3): Removable {
  const { directory, attributes } = searchedDirectory(tree, dir);
  tree.checkName(name);
  if (name === '.') throw new Refusal(Nfsstat3.INVAL);
  if (name === '..') throw new Refusal(Nfsstat3.EXIST);
  const object = tree.child(directory, name);
  if (object === undefined) throw new Refusal(Nfsstat3.NOENT);
  checkMayTakeOut(tree, attributes, object);
  return { directory, attributes, object };
}
