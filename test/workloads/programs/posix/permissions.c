#include "harness.h"

static void give(const char *path, uid_t user, gid_t group, mode_t mode) {
  set_owner(path, user, group);
  set_mode(path, mode);
}

static void prepare_access(void) {
  make_file("owners", "text");
  give("owners", ALICE, STAFF, 0600);
  make_file("groups", "text");
  give("groups", ALICE, STAFF, 0060);
  make_file("others", "text");
  give("others", ALICE, STAFF, 0006);
  make_file("nobodys", "text");
  give("nobodys", ALICE, STAFF, 0000);
  make_file("write-only", "text");
  give("write-only", ALICE, STAFF, 0200);
  make_file("all-but-group", "text");
  give("all-but-group", BOB, STAFF, 0707);
  make_file("readable", "text");
  give("readable", BOB, GUESTS, 0644);
  make_file("writers", "text");
  give("writers", BOB, WRITERS, 0660);
  make_directory("closed", 0755);
  make_file("closed/file", "text");
  give("closed", BOB, GUESTS, 0700);
  make_directory("pass", 0755);
  make_file("pass/file", "text");
  give("pass", BOB, GUESTS, 0711);
  make_directory("look", 0755);
  make_file("look/file", "text");
  give("look", BOB, GUESTS, 0744);
  make_directory("read-only", 0755);
  make_file("read-only/file", "text");
  give("read-only/file", ALICE, STAFF, 0644);
  make_directory("read-only/directory", 0755);
  give("read-only/directory", ALICE, STAFF, 0755);
  give("read-only", BOB, GUESTS, 0755);
  make_directory("shared", 0755);
  give("shared", BOB, WRITERS, 0775);
  make_file("shared/file", "text");
  make_file("target", "text");
  give("target", ALICE, STAFF, 0644);
  make_directory("foreign", 0755);
  give("foreign", BOB, GUESTS, 0755);
  make_directory("own", 0755);
  give("own", ALICE, STAFF, 0755);
  make_directory("own/bobs", 0755);
  give("own/bobs", BOB, GUESTS, 0755);
}

static void alice_opens(void) {
  SUCCEEDS("the owner reads and writes", try_open("owners", O_RDWR, 0));
  FAILS("the owner counts as owner, not as group", EACCES, try_open("groups", O_RDONLY, 0));
  FAILS("nor as anybody", EACCES, try_open("others", O_RDONLY, 0));
  FAILS("without a mode nobody reads", EACCES, try_open("nobodys", O_RDONLY, 0));
  SUCCEEDS("what may only be written is written", try_open("write-only", O_WRONLY, 0));
  FAILS("and not read", EACCES, try_open("write-only", O_RDONLY, 0));
  FAILS("a member counts as group, not as anybody", EACCES, try_open("all-but-group", O_RDONLY, 0));
  SUCCEEDS("anybody reads what is readable", try_open("readable", O_RDONLY, 0));
  FAILS("and does not write it", EACCES, try_open("readable", O_WRONLY, 0));
  FAILS("nor empties it", EACCES, try_open("readable", O_WRONLY | O_TRUNC, 0));
  FAILS("nor cuts it", EACCES, truncate("readable", 1));
  SUCCEEDS("another of the user's groups counts", try_open("writers", O_RDWR, 0));
  SUCCEEDS("access(2) says so", access("writers", R_OK | W_OK));
  FAILS("access(2) says what is not allowed", EACCES, access("readable", W_OK));
  FAILS("access(2) says what is no program", EACCES, access("readable", X_OK));
  FAILS("through a closed directory", EACCES, access("closed/file", F_OK));
  FAILS("the list of a closed one", EACCES, entries_in("closed"));
  SUCCEEDS("through one that may be passed", try_open("pass/file", O_RDONLY, 0));
  FAILS("whose list may not be read", EACCES, entries_in("pass"));
  FAILS("through one whose list may be read", EACCES, access("look/file", F_OK));
  HOLDS("whose list is read", entries_in("look") == 1);
  FAILS("standing in a closed one", EACCES, chdir("closed"));
  SUCCEEDS("utimes to now where one may write", utimensat(AT_FDCWD, "writers", NULL, 0));
  FAILS("utimes to now where one may not", EACCES, utimensat(AT_FDCWD, "readable", NULL, 0));
  struct timespec past[2] = {{1000, 0}, {1000, 0}};
  FAILS("utimes to the past of another's file", EPERM, utimensat(AT_FDCWD, "writers", past, 0));
  SUCCEEDS("of one's own, whatever its mode", utimensat(AT_FDCWD, "nobodys", past, 0));
}

static void alice_changes(void) {
  FAILS("create in a read-only directory", EACCES,
        try_open("read-only/new", O_CREAT | O_WRONLY, 0644));
  FAILS("mkdir in it", EACCES, mkdir("read-only/new", 0755));
  FAILS("symlink in it", EACCES, symlink("x", "read-only/new"));
  FAILS("mkfifo in it", EACCES, mkfifo("read-only/new", 0644));
  FAILS("link into it", EACCES, link("target", "read-only/new"));
  FAILS("unlink of an own file in it", EACCES, unlink("read-only/file"));
  FAILS("rmdir of an own directory in it", EACCES, rmdir("read-only/directory"));
  FAILS("rename out of it", EACCES, rename("read-only/file", "own/file"));
  FAILS("rename into it", EACCES, rename("own/bobs", "read-only/new"));
  SUCCEEDS("write to an own file in it", append_text("read-only/file", "more"));
  FAILS("create over what is there exclusively", EEXIST,
        try_open("read-only/file", O_CREAT | O_EXCL, 0644));
  SUCCEEDS("create in a group's directory", try_open("shared/new", O_CREAT | O_WRONLY, 0644));
  SUCCEEDS("rename in it", rename("shared/new", "shared/renamed"));
  SUCCEEDS("unlink of another's file in it", unlink("shared/file"));
  FAILS("mkdir in another's directory", EACCES, mkdir("foreign/new", 0755));
  FAILS("moving another's directory, whose parent would change", EACCES,
        rename("own/bobs", "shared/bobs"));
  SUCCEEDS("renaming it where it is", rename("own/bobs", "own/renamed"));
  SUCCEEDS("mknod of a fifo", mknod("own/fifo", S_IFIFO | 0644, 0));
  FAILS("mknod of a device", EPERM, mknod("own/device", S_IFCHR | 0644, 0x103));
}

static void check_access(void) {
  as_member(ALICE, STAFF, WRITERS, alice_opens);
  as_member(ALICE, STAFF, WRITERS, alice_changes);
  EQUAL("what she made is hers", ALICE, owner_of("shared/renamed"));
  EQUAL("and her first group's", STAFF, group_of("shared/renamed"));
  SUCCEEDS("root reads everything", try_open("nobodys", O_RDWR, 0));
  SUCCEEDS("and goes everywhere", try_open("closed/file", O_RDWR, 0));
  SUCCEEDS("and creates everywhere", try_open("read-only/roots", O_CREAT | O_WRONLY, 0600));
  FAILS("but runs no file without an x", EACCES, access("owners", X_OK));
}

static int opened;

static void bob_opens_in_time(void) {
  char text[8] = "";
  opened = open("shared-file", O_RDWR);
  SUCCEEDS("opened while allowed", opened);
  SUCCEEDS("and forbidden by its owner", fchmod(opened, 0000));
  EQUAL("it can be read", 4, read(opened, text, 4));
  EQUAL("and written", 4, pwrite(opened, "more", 4, 0));
  SUCCEEDS("and synced", fsync(opened));
  SUCCEEDS("and truncated", ftruncate(opened, 2));
  SUCCEEDS("and closed", close(opened));
  FAILS("but not opened again", EACCES, try_open("shared-file", O_RDONLY, 0));
}

static void prepare_forbidden_later(void) {
  make_file("shared-file", "text");
  give("shared-file", BOB, GUESTS, 0600);
  make_directory("changing", 0700);
  make_file("changing/file", "text");
}

static int read_changing(void) { return try_open("changing/file", O_RDONLY, 0); }

static void alice_is_let_in(void) { SUCCEEDS("who is let in reads", read_changing()); }
static void alice_is_kept_out(void) { FAILS("who is not does not", EACCES, read_changing()); }
static void alice_is_out_again(void) {
  FAILS("who is put out again does not", EACCES, read_changing());
}

static void check_forbidden_later(void) {
  as_user(BOB, GUESTS, bob_opens_in_time);
  EQUAL("what was written is there", 2, size_of("shared-file"));
  as_user(ALICE, STAFF, alice_is_kept_out);
  chmod("changing", 0755);
  as_user(ALICE, STAFF, alice_is_let_in);
  chmod("changing", 0700);
  as_user(ALICE, STAFF, alice_is_out_again);
}

const struct test_case permission_cases[] = {
    {"permissions", prepare_access, check_access},
    {"forbidden-later", prepare_forbidden_later, check_forbidden_later},
    {0},
};
