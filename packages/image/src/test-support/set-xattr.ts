import koffi from 'koffi';

const lsetxattr = koffi
  .load(null)
  .func(
    'int lsetxattr(const char *path, const char *name, const void *value, size_t size, int flags)',
  );

/** @returns whether the file system there has such attributes. */
export function setXattr(path: string, name: string, value: Uint8Array): boolean {
  return Number(lsetxattr(path, name, value, value.length, 0)) === 0;
}
