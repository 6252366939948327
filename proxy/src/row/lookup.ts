import { Access3, checkAccess, Ftype3, type Nfs3Service, Nfsstat3 } from '@rowfs/nfs3';
import type { Decision, MergedObject } from './decision.ts';
import { answer, attributesAtHand, decide, type Overlay } from './operation.ts';
import { Refusal } from './refusal.ts';

/** GETATTR, LOOKUP, ACCESS and READLINK over the merged tree. */
export function lookupProcedures(
  overlay: Overlay,
): Pick<Nfs3Service, 'getattr' | 'lookup' | 'access' | 'readlink'> {
  return {
    getattr: (args, ctx) =>
      answer(
        () =>
          decide(overlay, ctx, (tree) => ({
            status: Nfsstat3.OK,
            attributes: tree.attributes(tree.resolve(args.object)),
          })),
        (status) => ({ status }),
      ),

    lookup: (args, ctx) =>
      answer(
        () =>
          decide(overlay, ctx, (tree) => {
            const directory = tree.resolveDirectory(args.what.dir);
            const dirAttributes = tree.attributes(directory);
            const object = find(tree, directory, args.what.name);
            // Not thrown: asking for what is not there is half of what a shell does.
            if (object === undefined) return { status: Nfsstat3.NOENT, dirAttributes };
            return {
              status: Nfsstat3.OK,
              object: tree.handleOf(object),
              objAttributes: tree.attributes(object),
              dirAttributes,
            };
          }),
        (status) => ({ status, dirAttributes: attributesAtHand(overlay, ctx, args.what.dir) }),
      ),

    access: (args, ctx) =>
      answer(
        () =>
          decide(overlay, ctx, (tree) => {
            const objAttributes = tree.attributes(tree.resolve(args.object));
            const access = checkAccess(objAttributes, ctx.credential, args.access);
            return { status: Nfsstat3.OK, objAttributes, access };
          }),
        (status) => ({ status, objAttributes: undefined }),
      ),

    readlink: (args, ctx) =>
      answer(
        async () => {
          const { object, symlinkAttributes } = await decide(overlay, ctx, (tree) => {
            const link = tree.resolve(args.symlink);
            return { object: link, symlinkAttributes: tree.attributes(link) };
          });
          if (symlinkAttributes.type !== Ftype3.LNK) throw new Refusal(Nfsstat3.INVAL);
          if (object.lower === undefined) {
            return { status: Nfsstat3.OK, symlinkAttributes, data: object.node.target };
          }
          const lowerArgs = { symlink: object.lower };
          const result = await overlay.lower.readlink(lowerArgs, overlay.facts.context(ctx));
          if (result.status !== Nfsstat3.OK) throw new Refusal(result.status);
          return { status: Nfsstat3.OK, symlinkAttributes, data: result.data };
        },
        (status) => ({ status, symlinkAttributes: attributesAtHand(overlay, ctx, args.symlink) }),
      ),
  };
}

function find(tree: Decision, directory: MergedObject, name: string): MergedObject | undefined {
  if (checkAccess(tree.attributes(directory), tree.credential, Access3.LOOKUP) === 0) {
    throw new Refusal(Nfsstat3.ACCES);
  }
  tree.checkName(name);
  if (name === '.') return directory;
  return name === '..' ? tree.parent(directory) : tree.child(directory, name);
}
