import type { Nfs3Layer } from '../service.ts';

/**
 * The layer that changes nothing: what it is asked, it asks below.
 *
 * It is the template of new layers. Copy it when every procedure has to be thought about, as in a
 * layer with handles of its own. A layer that concerns few procedures spreads it, and says that all
 * others may pass as they are: `(lower) => ({ ...nullLayer(lower), read: ... })`.
 *
 * Written out so that the compiler names a procedure that was forgotten.
 */
export const nullLayer: Nfs3Layer = (lower) => ({
  null: (ctx) => lower.null(ctx),
  getattr: (args, ctx) => lower.getattr(args, ctx),
  setattr: (args, ctx) => lower.setattr(args, ctx),
  lookup: (args, ctx) => lower.lookup(args, ctx),
  access: (args, ctx) => lower.access(args, ctx),
  readlink: (args, ctx) => lower.readlink(args, ctx),
  read: (args, ctx) => lower.read(args, ctx),
  write: (args, ctx) => lower.write(args, ctx),
  create: (args, ctx) => lower.create(args, ctx),
  mkdir: (args, ctx) => lower.mkdir(args, ctx),
  symlink: (args, ctx) => lower.symlink(args, ctx),
  mknod: (args, ctx) => lower.mknod(args, ctx),
  remove: (args, ctx) => lower.remove(args, ctx),
  rmdir: (args, ctx) => lower.rmdir(args, ctx),
  rename: (args, ctx) => lower.rename(args, ctx),
  link: (args, ctx) => lower.link(args, ctx),
  readdir: (args, ctx) => lower.readdir(args, ctx),
  readdirplus: (args, ctx) => lower.readdirplus(args, ctx),
  fsstat: (args, ctx) => lower.fsstat(args, ctx),
  fsinfo: (args, ctx) => lower.fsinfo(args, ctx),
  pathconf: (args, ctx) => lower.pathconf(args, ctx),
  commit: (args, ctx) => lower.commit(args, ctx),
  mount: (dirpath, ctx) => lower.mount(dirpath, ctx),
});
