#include "harness.h"

static char long_target[4096];

static void prepare_symlinks(void) {
  make_file("file", "text");
  make_directory("directory", 0755);
  make_file("directory/inside", "inside");
  make_symlink("file", "to-file");
  make_symlink("directory", "to-directory");
  make_symlink("nowhere", "dangling");
  make_symlink("loop-b", "loop-a");
  make_symlink("loop-a", "loop-b");
  make_symlink("self", "self");
  make_symlink("to \xff\xfe bytes", "to-bytes");
  memset(long_target, 't', 4094);
  make_symlink(long_target, "long");
  make_symlink("../to-file", "directory/up");
  char from[20], to[20] = "file";
  for (int i = 0; i < 41; i++) {
    snprintf(from, sizeof from, "chain-%d", i);
    make_symlink(to, from);
    strcpy(to, from);
  }
}

static void check_symlinks(void) {
  memset(long_target, 't', 4094);
  TEXT("points where it was told", "file", target_of("to-file"));
  TEXT("is followed to a file", "text", text_of("to-file"));
  TEXT("is followed on the way", "inside", text_of("to-directory/inside"));
  TEXT("is followed from where it is", "text", text_of("directory/up"));
  EQUAL("is as large as its target", 7, size_of("dangling"));
  EQUAL("is a symlink", S_IFLNK, type_of("to-file"));
  EQUAL("has every permission", 0777, mode_of("to-file"));
  TEXT("its target need not be UTF-8", "to \xff\xfe bytes", target_of("to-bytes"));
  TEXT("its target may be as long as a path", long_target, target_of("long"));
  FAILS("following a target that is too long for a name", ENAMETOOLONG,
        try_open("long", O_RDONLY, 0));
  FAILS("opening one that dangles", ENOENT, try_open("dangling", O_RDONLY, 0));
  FAILS("two that point at each other", ELOOP, try_open("loop-a", O_RDONLY, 0));
  FAILS("one that points at itself", ELOOP, try_open("self", O_RDONLY, 0));
  FAILS("through one that points at itself", ELOOP, access("self/file", F_OK));
  TEXT("forty in a row", "text", text_of("chain-39"));
  FAILS("forty-one in a row", ELOOP, try_open("chain-40", O_RDONLY, 0));
  FAILS("reading a file as a link", EINVAL, readlink("file", long_target, 10));
  FAILS("over a file", EEXIST, symlink("x", "file"));
  FAILS("over a directory", EEXIST, symlink("x", "directory"));
  FAILS("over another, dangling", EEXIST, symlink("x", "dangling"));
  FAILS("an empty target", ENOENT, symlink("", "empty"));
  FAILS("in no directory", ENOENT, symlink("x", "none/new"));
  SUCCEEDS("its owner is its own", lchown("dangling", ALICE, STAFF));
  EQUAL("and stays", ALICE, owner_of("dangling"));
  SUCCEEDS("chown follows", chown("to-file", BOB, GUESTS));
  EQUAL("to the file", BOB, owner_of("file"));
  EQUAL("not the link", 0, owner_of("to-file"));
  SUCCEEDS("chmod follows", chmod("to-file", 0640));
  EQUAL("to the file's mode", 0640, mode_of("file"));
  set_times("dangling", 1000000000);
  EQUAL("its times are its own", 1000000000, modified("dangling").tv_sec);
  SUCCEEDS("removed", unlink("to-file"));
  TEXT("it leaves the file", "text", text_of("file"));
  FAILS("rmdir of one to a directory", ENOTDIR, rmdir("to-directory"));
  SUCCEEDS("unlink of one to a directory", unlink("to-directory"));
  EQUAL("leaves the directory", 2, entries_in("directory"));
  SUCCEEDS("a new one", symlink("file", "new"));
  TEXT("is followed", "text", text_of("new"));
}

const struct test_case symlink_cases[] = {{"symlinks", prepare_symlinks, check_symlinks}, {0}};
