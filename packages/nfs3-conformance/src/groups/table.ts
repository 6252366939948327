import type { Group } from '../group.ts';
import { access } from './access.ts';
import { attributes } from './attributes.ts';
import { create } from './create.ts';
import { directories } from './directories.ts';
import { fileSystem } from './file-system.ts';
import { handles } from './handles.ts';
import { lookup } from './lookup.ts';
import { read } from './read.ts';
import { readOnly } from './read-only.ts';
import { remove } from './remove.ts';
import { rename } from './rename.ts';
import { restart, restartWritable } from './restart.ts';
import { setattr } from './setattr.ts';
import { write } from './write.ts';

/** All groups, in the order in which they are reported. */
export const groups: readonly Group[] = [
  fileSystem,
  attributes,
  lookup,
  access,
  read,
  directories,
  handles,
  readOnly,
  setattr,
  write,
  create,
  remove,
  rename,
  restart,
  restartWritable,
];
