#include "harness.h"

static void prepare_modes(void) {
  make_file("file", "text");
  set_owner("file", ALICE, STAFF);
  make_directory("directory", 0755);
  make_file("program", "text");
  set_owner("program", ALICE, STAFF);
  set_mode("program", 06755);
  make_file("program-b", "text");
  set_owner("program-b", ALICE, STAFF);
  set_mode("program-b", 06777);
  make_file("program-c", "text");
  set_owner("program-c", ALICE, STAFF);
  set_mode("program-c", 06777);
  make_file("program-d", "text");
  set_owner("program-d", ALICE, STAFF);
  set_mode("program-d", 06755);
  make_file("program-e", "text");
  set_owner("program-e", ALICE, STAFF);
  set_mode("program-e", 02745);
  make_file("foreign", "text");
  set_owner("foreign", BOB, GUESTS);
  make_file("alien-group", "text");
  set_owner("alien-group", ALICE, GUESTS);
  make_directory("set-group", 0755);
  set_owner("set-group", ALICE, GUESTS);
  set_mode("set-group", 02777);
}

static void alice_changes_modes(void) {
  SUCCEEDS("the owner changes the mode", chmod("file", 0604));
  FAILS("nobody else does", EPERM, chmod("foreign", 0777));
  SUCCEEDS("set-group on a file of an own group", chmod("file", 02755));
  EQUAL("is set", 02755, mode_of("file"));
  SUCCEEDS("set-group on a file of another group", chmod("alien-group", 02755));
  EQUAL("is not set", 0755, mode_of("alien-group"));
  FAILS("nobody gives a file away", EPERM, chown("file", BOB, (gid_t)-1));
  FAILS("or to a group of others", EPERM, chown("file", (uid_t)-1, GUESTS));
  FAILS("or takes one", EPERM, chown("foreign", ALICE, (gid_t)-1));
  SUCCEEDS("the owner gives it to another own group", chown("file", (uid_t)-1, WRITERS));
  EQUAL("whose it is then", WRITERS, group_of("file"));
  EQUAL("without set-group", 0755, mode_of("file"));
  SUCCEEDS("to the same owner", chown("file", ALICE, (gid_t)-1));
  SUCCEEDS("a new file in a set-group directory",
           try_open("set-group/file", O_CREAT | O_WRONLY, 0644));
  SUCCEEDS("a new directory in it", mkdir("set-group/directory", 0755));
  SUCCEEDS("a new symlink in it", symlink("x", "set-group/symlink"));
  SUCCEEDS("a new fifo in it", mkfifo("set-group/fifo", 0644));
}

static void bob_writes(void) {
  SUCCEEDS("another user writes to a set-user file", append_text("program-b", "more"));
  SUCCEEDS("another user truncates one", truncate("program-c", 1));
}

static void alice_writes(void) {
  SUCCEEDS("the owner writes to a set-user file", append_text("program", "more"));
}

static void check_modes(void) {
  int kept = 0;
  for (mode_t mode = 0; mode <= 07777; mode += 0111)
    kept += chmod("directory", mode) == 0 && mode_of("directory") == (long)mode;
  EQUAL("a directory keeps every mode", 07777 / 0111 + 1, kept);
  as_member(ALICE, STAFF, WRITERS, alice_changes_modes);
  EQUAL("a file in a set-group directory is of its group", GUESTS, group_of("set-group/file"));
  EQUAL("a directory in it, too", GUESTS, group_of("set-group/directory"));
  EQUAL("and is set-group itself", 02755, mode_of("set-group/directory"));
  EQUAL("a symlink in it is of its group", GUESTS, group_of("set-group/symlink"));
  EQUAL("a fifo in it is of its group", GUESTS, group_of("set-group/fifo"));
  EQUAL("what is in it is the user's who made it", ALICE, owner_of("set-group/file"));
  as_user(BOB, GUESTS, bob_writes);
  EQUAL("a write by another user takes set-user and set-group away", 0777, mode_of("program-b"));
  EQUAL("a truncation, too", 0777, mode_of("program-c"));
  as_user(ALICE, STAFF, alice_writes);
  EQUAL("a write by the owner, too", 0755, mode_of("program"));
  SUCCEEDS("root gives a set-user file away", chown("program-d", BOB, GUESTS));
  EQUAL("which takes set-user and set-group away", 0755, mode_of("program-d"));
  EQUAL("it is the other's", BOB, owner_of("program-d"));
  EQUAL("and the other group's", GUESTS, group_of("program-d"));
  SUCCEEDS("root gives away one with set-group that its group cannot run",
           chown("program-e", BOB, GUESTS));
  EQUAL("which leaves set-group", 02745, mode_of("program-e"));
  SUCCEEDS("chown to nobody in particular", chown("program-d", (uid_t)-1, (gid_t)-1));
  EQUAL("changes no owner", BOB, owner_of("program-d"));
  SUCCEEDS("a large user", chown("file", 4000000000u, 4000000001u));
  EQUAL("is kept", 4000000000u, owner_of("file"));
  EQUAL("and group", 4000000001u, group_of("file"));
}

static void prepare_sticky(void) {
  make_directory("sticky", 0755);
  make_file("sticky/alices", "text");
  set_owner("sticky/alices", ALICE, STAFF);
  set_mode("sticky/alices", 0666);
  make_file("sticky/bobs", "text");
  set_owner("sticky/bobs", BOB, GUESTS);
  set_mode("sticky/bobs", 0666);
  make_file("sticky/bobs-too", "text");
  set_owner("sticky/bobs-too", BOB, GUESTS);
  make_directory("sticky/bobs-directory", 0777);
  set_owner("sticky/bobs-directory", BOB, GUESTS);
  set_mode("sticky", 01777);
  make_directory("alices-sticky", 0755);
  make_file("alices-sticky/bobs", "text");
  set_owner("alices-sticky/bobs", BOB, GUESTS);
  set_owner("alices-sticky", ALICE, STAFF);
  set_mode("alices-sticky", 01777);
  make_directory("loose", 0755);
  make_file("loose/bobs", "text");
  set_owner("loose/bobs", BOB, GUESTS);
  set_mode("loose", 0777);
}

static void alice_in_sticky(void) {
  FAILS("nobody else removes a file", EPERM, unlink("sticky/bobs"));
  FAILS("or renames it", EPERM, rename("sticky/bobs", "sticky/mine"));
  FAILS("or puts another over it", EPERM, rename("sticky/alices", "sticky/bobs"));
  FAILS("or removes a directory", EPERM, rmdir("sticky/bobs-directory"));
  FAILS("or renames one", EPERM, rename("sticky/bobs-directory", "sticky/mine"));
  SUCCEEDS("but writes to it where it may", append_text("sticky/bobs", "alice"));
  SUCCEEDS("the owner renames a file", rename("sticky/alices", "sticky/renamed"));
  SUCCEEDS("and removes it", unlink("sticky/renamed"));
  SUCCEEDS("the directory's owner removes any", unlink("alices-sticky/bobs"));
  SUCCEEDS("without the bit, anybody removes", unlink("loose/bobs"));
}

static void check_sticky(void) {
  as_user(ALICE, STAFF, alice_in_sticky);
  SUCCEEDS("root removes any", unlink("sticky/bobs"));
  EQUAL("the rest is there", 2, entries_in("sticky"));
}

const struct test_case mode_cases[] = {
    {"modes", prepare_modes, check_modes}, {"sticky", prepare_sticky, check_sticky}, {0}};
