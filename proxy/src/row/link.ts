import { Ftype3, type Nfs3Service, Nfsstat3 } from '@rowfs/nfs3';
import { newPlace } from './new-objects.ts';
import { answer, attributesAtHand, change, type Overlay, wccAtHand, wccOf } from './operation.ts';
import { Refusal } from './refusal.ts';

/** Names that one object may have; PATHCONF tells it. */
export const MAX_LINKS = 65_000;

/** LINK: one more name for a node, and its contents follow the node, not the name. */
export function linkProcedures(overlay: Overlay): Pick<Nfs3Service, 'link'> {
  return {
    link: ({ file, link }, ctx) =>
      answer(
        () =>
          change(overlay, ctx, (tree) => {
            const object = tree.resolve(file);
            const place = newPlace(tree, link);
            if (tree.typeOf(object) === Ftype3.DIR) throw new Refusal(Nfsstat3.ISDIR);
            overlay.shadow.space.checkChange();
            const node = tree.touch(object);
            if (node.nlink >= MAX_LINKS) throw new Refusal(Nfsstat3.MLINK);
            const linked = { ...node, nlink: node.nlink + 1, ctime: tree.stamp(node) };
            tree.put(linked);
            tree.addName(place.directory, link.name, linked, 0);
            return tree.answered('link', {
              status: Nfsstat3.OK,
              fileAttributes: tree.attributes(object),
              linkdirWcc: wccOf(place.attributes, tree.attributes(place.directory)),
            });
          }),
        (status) => ({
          status,
          fileAttributes: attributesAtHand(overlay, ctx, file),
          linkdirWcc: wccAtHand(overlay, ctx, link.dir),
        }),
      ),
  };
}
