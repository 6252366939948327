/**
 * What a person does on a mounted file system, in a guest: each takes (guest, mountpoint), asserts what
 * it did, and works the same on a server mounted directly and on a proxy. Those that write use a
 * directory of their own under the mountpoint and leave it there, to be found after a restart.
 */
import assert from 'node:assert/strict';
import { execa } from 'execa';
import type { Guest } from './guest.ts';
import { describeEntries, describeTree, withoutTimes, type TreeEntry } from './tree-description.ts';

/** Emulated CPUs are slow, and a server may be dead for a while in the middle. */
const LONG = { timeoutMs: 300_000 };

/** Describes a directory as the guest sees it: comparable with `describeTree` of the host. */
export async function describeTreeInGuest(guest: Guest, directory: string): Promise<string[]> {
  const inDirectory = `cd '${directory}' && find .`;
  const [stats, digests, targets] = await Promise.all([
    guest.run(`${inDirectory} -exec stat -c '%f %u %g %s %Y %h %i %n' {} +`, LONG),
    guest.run(`${inDirectory} -type f -exec sha256sum {} +`, LONG),
    guest.run(
      `${inDirectory} -type l -exec sh -c 'for l; do printf "%s\\n" "$l"; readlink "$l"; done' sh {} +`,
      LONG,
    ),
  ]);
  const sha256 = new Map(
    lines(digests.stdout).map((line) => [line.slice(66), line.slice(0, 64)] as const),
  );
  const linkLines = lines(targets.stdout);
  const target = new Map(
    linkLines.flatMap((name, index) =>
      index % 2 === 0 ? [[name, linkLines[index + 1] ?? ''] as const] : [],
    ),
  );
  const entries = lines(stats.stdout).map((line): TreeEntry => {
    const [mode = '', uid, gid, size, mtime, links, fileid = '', ...rest] = line.split(' ');
    const name = rest.join(' ');
    return {
      path: name === '.' ? '.' : name.slice(2),
      mode: Number.parseInt(mode, 16),
      uid: Number(uid),
      gid: Number(gid),
      size: Number(size),
      mtimeSeconds: Number(mtime),
      links: Number(links),
      fileid,
      sha256: sha256.get(name),
      target: target.get(name),
    };
  });
  return describeEntries(entries);
}

/** Reads the whole tree, past every cache of the guest, and compares it with `expected`. */
export async function readTree(
  guest: Guest,
  mountpoint: string,
  expected: readonly string[],
): Promise<void> {
  await guest.dropCaches();
  assert.deepEqual(await describeTreeInGuest(guest, mountpoint), expected);
}

/**
 * Changes files that were there before, in every way. The mountpoint shows a tree of `makeSampleTree`;
 * `twin` is a local copy of it on the host, to which the same is done: both must end up the same.
 */
export async function changeSampleTree(
  guest: Guest,
  mountpoint: string,
  twin: string,
): Promise<void> {
  await execa('sh', ['-c', SAMPLE_TREE_CHANGES], { cwd: twin });
  await guest.run(`cd '${mountpoint}'\n${SAMPLE_TREE_CHANGES}`, LONG);
  await guest.dropCaches();
  assert.deepEqual(
    withoutTimes(await describeTreeInGuest(guest, mountpoint)),
    withoutTimes(await describeTree(twin)),
  );
}

const SAMPLE_TREE_CHANGES = `set -ex
umask 022
# content: inside, at the end, shorter, longer, emptied, replaced
printf patched | dd of='sizes/1048577 bytes' bs=1 seek=500000 conv=notrunc
printf patched | dd of=sparse bs=1 seek=3000000 conv=notrunc
echo appended >>'sizes/4096 bytes'
truncate -s 100 'sizes/65537 bytes'
truncate -s 200000 'sizes/32768 bytes'
: >'sizes/131072 bytes'
rm 'sizes/0 bytes'; echo 'born again' >'sizes/0 bytes'
cp sparse 'copy of sparse'
# names: over another, a directory with all below it, into another directory
mv 'sizes/511 bytes' 'sizes/1 bytes'
mv names/UPPER names/upper
mv random moved; mkdir random; echo new >random/new
mv special/sticky 'special/set group/'
mv 'sizes/4095 bytes' links/elsewhere/
# links: a file's other names see a change; one more name, one less
mv links/one links/renamed
echo more >>links/two
ln links/two links/four
rm links/elsewhere/three
rm links/dangling; ln -s 'now there' links/dangling
# removed, and made again as something else
rm many/1*
rm -r names/directory*; mkdir 'names/directory again'
rmdir 'special/empty directory'; echo 'a file now' >'special/empty directory'
rm special/fifo; mkfifo special/fifo
# attributes alone
chmod 600 'special/mode 644'
chown 7:8 'special/mode 755'
# refused
if rmdir links 2>/dev/null; then exit 1; fi
if mv links links/elsewhere/ 2>/dev/null; then exit 1; fi
set -C; if echo x 2>/dev/null >'sizes/4097 bytes'; then exit 1; fi`;

/** Compiles a program of two C files on the mount, links it there and executes it from there. */
export async function compileProgram(guest: Guest, mountpoint: string): Promise<void> {
  const { stdout } = await guest.run(
    `set -e
mkdir '${mountpoint}/program' && cd '${mountpoint}/program'
cat >sum.h <<'C'
long sum_of_file(const char *path);
C
cat >sum.c <<'C'
#include <stdio.h>
#include "sum.h"
long sum_of_file(const char *path) {
  FILE *file = fopen(path, "r");
  long sum = 0;
  for (int byte; file && (byte = getc(file)) != EOF;) sum += byte;
  return sum;
}
C
cat >main.c <<'C'
#include <stdio.h>
#include "sum.h"
int main(int argc, char **argv) { printf("sum %ld\\n", sum_of_file(argv[1])); return 0; }
C
tcc -c sum.c -o sum.o
tcc -c main.c -o main.o
tcc sum.o main.o -o sum
printf 'aaa' >input
./sum input`,
    LONG,
  );
  assert.equal(stdout, `sum ${3 * 'a'.charCodeAt(0)}\n`);
}

/** Packs the guest's C headers onto the mount, unpacks them there and diffs them with the originals. */
export async function unpackAndDiff(guest: Guest, mountpoint: string): Promise<void> {
  const { stdout } = await guest.run(
    `set -e
mkdir '${mountpoint}/tarball' && cd '${mountpoint}/tarball'
/bin/tar -C /usr/include -cf headers.tar asm-generic linux
mkdir headers
/bin/tar -C headers -xf headers.tar
sync; echo 3 >/proc/sys/vm/drop_caches
for part in asm-generic linux; do /usr/bin/diff -r "/usr/include/$part" "headers/$part"; done
find headers -type f | wc -l; /bin/tar -tf headers.tar | grep -vc '/$'`,
    LONG,
  );
  const [unpacked, packed] = lines(stdout).map(Number);
  assert.equal(unpacked, packed);
  assert.ok(unpacked !== undefined && unpacked > 50, `only ${unpacked} files were unpacked`);
}

/** The everyday changes of a file system, each checked on the spot by the guest's shell. */
export async function writeRenameDelete(guest: Guest, mountpoint: string): Promise<void> {
  await guest.run(
    `set -ex
mkdir '${mountpoint}/changes' && cd '${mountpoint}/changes'
echo hello >a; echo more >>a; [ "$(wc -l <a)" = 2 ]
ln a b; [ "$(stat -c %h a)" = 2 ]
ln -s a s; [ "$(readlink s)" = a ]; [ "$(head -n 1 s)" = hello ]
mv b c; [ ! -e b ]; [ "$(stat -c %i a)" = "$(stat -c %i c)" ]
chmod 640 a; [ "$(stat -c %a a)" = 640 ]
chown 12:34 a; [ "$(stat -c %u:%g a)" = 12:34 ]
touch -d '2001-02-03 04:05:06' a; [ "$(stat -c %Y a)" = 981173106 ]
mkdir -p x/y/z; echo deep >x/y/z/f; mv x/y w; [ "$(cat w/z/f)" = deep ]; [ ! -e x/y ]
echo old >victim; echo new >winner; mv winner victim; [ "$(cat victim)" = new ]; [ ! -e winner ]
dd if=/dev/urandom of=big bs=64k count=32 2>/dev/null; cp big copy; cmp big copy
dd if=/dev/zero of=big bs=1000 seek=777 count=3 conv=notrunc 2>/dev/null
[ "$(dd if=big bs=1000 skip=777 count=3 2>/dev/null | tr -d '\\0' | wc -c)" = 0 ]
cmp -n 777000 big copy
truncate -s 100000 copy; [ "$(stat -c %s copy)" = 100000 ]; cmp -n 100000 big copy
truncate -s 300000 copy; [ "$(tail -c 200000 copy | tr -d '\\0' | wc -c)" = 0 ]
mkfifo p; [ -p p ]; mknod n c 1 3; echo x >n
mkdir many; i=0; while [ $i -lt 100 ]; do : >"many/$i"; i=$((i + 1)); done
[ "$(ls many | wc -l)" = 100 ]; rm many/*; [ -z "$(ls -A many)" ]; rmdir many
mkdir full; : >full/f; ! rmdir full 2>/dev/null
# A file removed while open stays readable: the client renames it to .nfs... until it is closed.
echo kept >open; exec 4<open; rm open; [ "$(cat <&4)" = kept ]; exec 4<&-
[ -z "$(ls -A | grep '^[.]nfs')" ]
sync`,
    LONG,
  );
}

/**
 * After a restart of server, proxy or guest: the tree under the mountpoint is what `left` describes
 * (by `describeTreeInGuest`), and the program that `compileProgram` made there still works.
 */
export async function findEverythingAsLeft(
  guest: Guest,
  mountpoint: string,
  left: readonly string[],
): Promise<void> {
  await readTree(guest, mountpoint, left);
  const { stdout } = await guest.run(`cd '${mountpoint}/program' && ./sum input`);
  assert.equal(stdout, 'sum 291\n');
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}
