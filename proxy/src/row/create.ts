import {
  type CreateArgs,
  type CreateResult,
  type Createhow3,
  type Fattr3,
  type Filehandle,
  Ftype3,
  type Nfs3Service,
  Nfsstat3,
  UNCHANGED,
} from '@rowfs/nfs3';
import type { Decision, MergedObject } from './decision.ts';
import { checkMayAdd, searchedDirectory } from './may-change.ts';
import { finish, ownership, withTimes } from './new-objects.ts';
import { answer, change, type Overlay, wccAtHand, wccOf } from './operation.ts';
import type { Node } from '../shadow/records.ts';
import { Refusal } from './refusal.ts';
import { setAttributes } from './setattr.ts';

/** What CREATE came to: a result, or a file that was there and is to be cut to `size`. */
type Outcome =
  { readonly result: CreateResult } | { readonly existing: Filehandle; readonly size: number };

/** CREATE over the merged tree: unchecked, guarded, and exclusive with a verifier that is kept. */
export function createProcedures(overlay: Overlay): Pick<Nfs3Service, 'create'> {
  return {
    create: (args, ctx) =>
      answer(
        async () => {
          const outcome = await change(overlay, ctx, (tree) => create(tree, args));
          if ('result' in outcome) return outcome.result;
          const { existing, size } = outcome;
          const wanted = { newAttributes: { ...UNCHANGED, size }, guard: undefined };
          return setAttributes(overlay, ctx, { object: existing, ...wanted }, (tree) => {
            const directory = tree.attributes(tree.resolve(args.where.dir));
            const result = existingResult(tree, tree.resolve(existing), directory);
            return tree.answered('create', result);
          });
        },
        (status) => ({ status, dirWcc: wccAtHand(overlay, ctx, args.where.dir) }),
      ),
  };
}

function create(tree: Decision, { where, how }: CreateArgs): Outcome {
  const place = searchedDirectory(tree, where.dir);
  const { directory, attributes } = place;
  tree.checkName(where.name);
  if (where.name === '.' || where.name === '..') throw new Refusal(Nfsstat3.EXIST);
  const existing = tree.child(directory, where.name);
  if (existing !== undefined) return found(tree, existing, attributes, how);

  checkMayAdd(tree, attributes);
  const wanted = how.mode === 'exclusive' ? UNCHANGED : how.objAttributes;
  const owned = ownership(tree, Ftype3.REG, attributes, wanted);
  const verf = how.mode === 'exclusive' ? how.verf : undefined;
  const node: Node = tree.newNode({ ...owned, size: wanted.size ?? 0, verf });
  const result = finish(tree, place, where.name, withTimes(node, wanted));
  return { result: tree.answered('create', result) };
}

/** What each way of creating makes of a name that is there (RFC 1813 section 3.3.8). */
function found(
  tree: Decision,
  existing: MergedObject,
  directory: Fattr3,
  how: Createhow3,
): Outcome {
  if (how.mode === 'guarded') throw new Refusal(Nfsstat3.EXIST);
  if (how.mode === 'exclusive') {
    // The same call again, whose answer was lost: it made this file.
    if (existing.node?.verf !== how.verf) throw new Refusal(Nfsstat3.EXIST);
    return { result: existingResult(tree, existing, directory) };
  }
  if (tree.typeOf(existing) !== Ftype3.REG) throw new Refusal(Nfsstat3.EXIST);
  // As open(O_CREAT | O_TRUNC): of the attributes only a size counts for a file that exists.
  const { size } = how.objAttributes;
  if (size !== undefined) return { existing: tree.handleOf(existing), size };
  return { result: existingResult(tree, existing, directory) };
}

function existingResult(tree: Decision, existing: MergedObject, directory: Fattr3): CreateResult {
  return {
    status: Nfsstat3.OK,
    obj: tree.handleOf(existing),
    objAttributes: tree.attributes(existing),
    dirWcc: wccOf(directory, directory),
  };
}
