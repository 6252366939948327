#include "harness.h"

enum { LONG_AGO = 1000000000 };

static void prepare_times(void) {
  static const char *const files[] = {"written", "truncated",   "mode",    "owner",
                                      "linked",  "renamed",     "set",     "read",
                                      "future",  "mapped-size", "replaced"};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    make_file(files[i], "text");
    set_times(files[i], LONG_AGO);
  }
  make_directory("directory", 0755);
  make_file("directory/file", "text");
  make_directory("directory/empty", 0755);
  make_directory("elsewhere", 0755);
  make_directory("quiet", 0755);
  make_file("quiet/file", "text");
  set_times("directory", LONG_AGO);
  set_times("elsewhere", LONG_AGO);
  set_times("quiet", LONG_AGO);
}

static int is_long_ago(struct timespec time) {
  return time.tv_sec == LONG_AGO && time.tv_nsec == 0;
}

/* `act` is done to the path: which of its times go on? */
#define CHANGES(what, path, act, modification)                                                     \
  do {                                                                                             \
    struct timespec before_c = changed(path), before_m = modified(path);                           \
    let_time_pass();                                                                               \
    SUCCEEDS(what, act);                                                                           \
    HOLDS(what ": ctime goes on", is_later(changed(path), before_c));                              \
    HOLDS(what ": mtime " #modification, (modification) == is_later(modified(path), before_m));    \
  } while (0)

enum { stays = 0, goes_on = 1 };

static int set(const char *path, struct timespec access, struct timespec modification) {
  struct timespec times[2] = {access, modification};
  return utimensat(AT_FDCWD, path, times, 0);
}

static void check_file_times(void) {
  struct stat found;
  CHANGES("write", "written", append_text("written", "more"), goes_on);
  CHANGES("truncate", "truncated", truncate("truncated", 2), goes_on);
  CHANGES("truncate to the same size", "mapped-size", truncate("mapped-size", 4), goes_on);
  CHANGES("open with O_TRUNC", "replaced", try_open("replaced", O_WRONLY | O_TRUNC, 0), goes_on);
  CHANGES("chmod", "mode", chmod("mode", 0600), stays);
  CHANGES("chown", "owner", chown("owner", ALICE, STAFF), stays);
  CHANGES("link", "linked", link("linked", "linked-too"), stays);
  CHANGES("unlink of another name", "linked", unlink("linked-too"), stays);
  let_time_pass();
  SUCCEEDS("reading", try_open("read", O_RDONLY, 0));
  text_of("read");
  HOLDS("reading: mtime stays", is_long_ago(modified("read")));
  SUCCEEDS("rename", rename("renamed", "renamed-file"));
  HOLDS("rename: mtime stays", is_long_ago(modified("renamed-file")));

  struct timespec odd = {1234567890, 123456789}, omit = {0, UTIME_OMIT}, now = {0, UTIME_NOW};
  SUCCEEDS("set both", set("set", odd, odd));
  EQUAL("mtime to the nanosecond", odd.tv_nsec, modified("set").tv_nsec);
  EQUAL("mtime's second", odd.tv_sec, modified("set").tv_sec);
  stat("set", &found);
  EQUAL("atime to the nanosecond", odd.tv_nsec, found.st_atim.tv_nsec);
  SUCCEEDS("set atime alone", set("set", (struct timespec){5, 6}, omit));
  EQUAL("leaves mtime", odd.tv_sec, modified("set").tv_sec);
  stat("set", &found);
  EQUAL("sets atime", 5, found.st_atim.tv_sec);
  SUCCEEDS("set mtime alone", set("set", omit, (struct timespec){7, 8}));
  stat("set", &found);
  EQUAL("leaves atime", 5, found.st_atim.tv_sec);
  EQUAL("sets mtime", 7, found.st_mtim.tv_sec);
  SUCCEEDS("set to now", set("set", now, now));
  HOLDS("is now", modified("set").tv_sec > 1600000000);
  SUCCEEDS("set to nothing", set("set", omit, omit));
  SUCCEEDS("the epoch", set("set", (struct timespec){0, 0}, (struct timespec){0, 0}));
  EQUAL("the epoch is kept", 0, modified("set").tv_sec);
  struct timespec future = {2145916800, 0}; /* 2038-01-01 */
  SUCCEEDS("the future", set("future", future, future));
  EQUAL("the future is kept", future.tv_sec, modified("future").tv_sec);
  HOLDS("ctime is now and not the future", changed("future").tv_sec < future.tv_sec);
  SUCCEEDS("a write to a file of the future", append_text("future", "now"));
  HOLDS("brings it back to now", modified("future").tv_sec < future.tv_sec);
  struct timespec year_2100 = {4102444800, 0};
  SUCCEEDS("the year 2100", set("future", year_2100, year_2100));
  EQUAL("is kept, too", year_2100.tv_sec, modified("future").tv_sec);
  FAILS("nothing's times", ENOENT, set("none", now, now));

  struct timespec last = changed("written");
  int back = 0;
  for (int i = 0; i < 50; i++) {
    if (i % 2 ? append_text("written", "x") : chmod("written", i % 4 ? 0600 : 0644))
      back += 1000;
    struct timespec next = changed("written");
    back += is_later(last, next);
    last = next;
  }
  EQUAL("ctime never goes back", 0, back);
}

static void check_directory_times(void) {
  CHANGES("create in a directory", "directory", try_open("directory/new", O_CREAT | O_WRONLY, 0644),
          goes_on);
  CHANGES("mkdir in it", "directory", mkdir("directory/new-directory", 0755), goes_on);
  CHANGES("symlink in it", "directory", symlink("x", "directory/symlink"), goes_on);
  CHANGES("mkfifo in it", "directory", mkfifo("directory/fifo", 0644), goes_on);
  CHANGES("link in it", "directory", link("directory/file", "directory/link"), goes_on);
  CHANGES("rename in it", "directory", rename("directory/link", "directory/renamed"), goes_on);
  CHANGES("unlink in it", "directory", unlink("directory/renamed"), goes_on);
  CHANGES("rmdir in it", "directory", rmdir("directory/empty"), goes_on);
  struct timespec from = modified("directory"), to = modified("elsewhere");
  let_time_pass();
  SUCCEEDS("rename out of it", rename("directory/new", "elsewhere/new"));
  HOLDS("rename: the old parent's mtime goes on", is_later(modified("directory"), from));
  HOLDS("rename: the new parent's mtime goes on", is_later(modified("elsewhere"), to));
  from = modified("directory");
  let_time_pass();
  SUCCEEDS("what fails", -!try_open("directory/file", O_CREAT | O_EXCL, 0644));
  HOLDS("what fails: mtime stays", !is_later(modified("directory"), from));
  SUCCEEDS("a write below", append_text("quiet/file", "more"));
  SUCCEEDS("chmod below", chmod("quiet/file", 0600));
  SUCCEEDS("listing", entries_in("quiet"));
  HOLDS("what is done to a file below leaves the mtime", is_long_ago(modified("quiet")));
  CHANGES("chmod of a directory", "quiet", chmod("quiet", 0700), stays);
}

const struct test_case time_cases[] = {
    {"file-times", prepare_times, check_file_times},
    {"directory-times", prepare_times, check_directory_times},
    {0},
};
