#include "harness.h"

/* Lists of more than one answer of a server, at what it costs to make them. */
enum { MANY = 1000, SOME = 200 };

static const char *numbered(const char *directory, int number) {
  static char name[60];
  snprintf(name, sizeof name, "%s/entry-%04d", directory, number);
  return name;
}

static void make_many(const char *directory, int count) {
  make_directory(directory, 0755);
  for (int i = 0; i < count; i++)
    make_file(numbered(directory, i), "");
}

static void prepare_listing(void) {
  make_many("many", MANY);
  make_directory("kinds", 0755);
  make_file("kinds/file", "");
  make_directory("kinds/directory", 0755);
  make_symlink("file", "kinds/symlink");
  make_node("kinds/fifo", S_IFIFO | 0644, 0);
  make_directory("below", 0755);
  make_directory("below/inside", 0755);
  make_directory("empty", 0755);
}

static void prepare_changing(void) {
  make_many("removed", 2 * SOME);
  make_many("growing", SOME);
  make_many("renamed", SOME);
}

static void prepare_places(void) {
  make_many("told", SOME);
  make_directory("below", 0755);
}

/* -1 for a name that make_many did not give. */
static int number_in(const char *name) {
  int number = -1;
  return sscanf(name, "entry-%d", &number) == 1 && number >= 0 && number < MANY ? number : -1;
}

static void check_listing(void) {
  static int seen[MANY];
  int twice = 0, missed = 0, dots = 0;
  DIR *directory = opendir("many");
  for (struct dirent *entry; (entry = readdir(directory));) {
    int number = number_in(entry->d_name);
    if (number < 0)
      dots++;
    else
      twice += seen[number]++;
  }
  closedir(directory);
  for (int i = 0; i < MANY; i++)
    missed += !seen[i];
  EQUAL("nothing is missed", 0, missed);
  EQUAL("nothing comes twice", 0, twice);
  EQUAL("dot and dot-dot come once", 2, dots);
  EQUAL("an empty directory is empty", 0, entries_in("empty"));
  int types = 0, inodes = 0, parents = 0;
  directory = opendir("kinds");
  for (struct dirent *entry; (entry = readdir(directory));) {
    char path[300];
    snprintf(path, sizeof path, "kinds/%s", entry->d_name);
    types += entry->d_type == DT_UNKNOWN || (long)DTTOIF(entry->d_type) == type_of(path);
    inodes += (long)entry->d_ino == inode_of(path);
    parents += strcmp(entry->d_name, "..") == 0 && (long)entry->d_ino == inode_of(".");
  }
  closedir(directory);
  EQUAL("the list tells the kind", 6, types);
  EQUAL("and the inode", 6, inodes);
  EQUAL("and that of dot-dot", 1, parents);
  EQUAL("dot-dot is where it should be", inode_of("below"), inode_of("below/inside/.."));
  FAILS("the list of a file", ENOTDIR, entries_in("kinds/file"));
  FAILS("the list of nothing", ENOENT, entries_in("none"));
}

static void check_changing(void) {
  DIR *directory = opendir("removed");
  int removed = 0;
  for (struct dirent *entry; (entry = readdir(directory));)
    if (number_in(entry->d_name) >= 0)
      removed += unlink(numbered("removed", number_in(entry->d_name))) == 0;
  closedir(directory);
  EQUAL("what is listed can be removed at once", 2 * SOME, removed);
  SUCCEEDS("and then the directory", rmdir("removed"));

  static int seen[MANY];
  int made = 0, missed = 0, twice = 0;
  directory = opendir("growing");
  for (struct dirent *entry; (entry = readdir(directory));) {
    int number = number_in(entry->d_name);
    if (number < 0)
      continue;
    twice += seen[number]++;
    if (number < SOME && number % 2 == 0)
      made += try_open(numbered("growing", SOME + made), O_CREAT | O_EXCL | O_WRONLY, 0644) == 0;
  }
  closedir(directory);
  for (int i = 0; i < SOME; i++)
    missed += !seen[i];
  EQUAL("while others are made, nothing is missed", 0, missed);
  EQUAL("and nothing comes twice", 0, twice);
  EQUAL("a new list has the new ones", SOME + made, entries_in("growing"));

  memset(seen, 0, sizeof seen);
  directory = opendir("renamed");
  for (struct dirent *entry; (entry = readdir(directory));) {
    int number = number_in(entry->d_name);
    if (number < 0)
      continue;
    seen[number]++;
    char to[60];
    snprintf(to, sizeof to, "renamed/new-%d", number);
    rename(numbered("renamed", number), to);
  }
  closedir(directory);
  missed = twice = 0;
  for (int i = 0; i < SOME; i++)
    missed += !seen[i], twice += seen[i] > 1;
  EQUAL("while all are renamed, nothing is missed", 0, missed);
  EQUAL("and no old name comes twice", 0, twice);
  EQUAL("all are there afterwards", SOME, entries_in("renamed"));
  directory = opendir("growing");
  for (int i = 0; i < 10; i++)
    readdir(directory);
  pid_t child = fork();
  if (child == 0) {
    for (int i = 0; i < 2 * SOME; i++)
      unlink(numbered("growing", i));
    _exit(rmdir("growing") == 0 ? 0 : 1);
  }
  int status;
  waitpid(child, &status, 0);
  EQUAL("a directory is removed while another lists it", 0, status);
  int rest = 0;
  while (readdir(directory))
    rest++;
  HOLDS("which ends", rest <= 2 * SOME);
  closedir(directory);
}

static void check_places(void) {
  DIR *directory = opendir("told");
  char names[SOME + 2][60];
  long places[SOME + 2];
  int count = 0, wrong = 0;
  for (;;) {
    long place = telldir(directory);
    struct dirent *entry = readdir(directory);
    if (!entry || count == SOME + 2)
      break;
    places[count] = place;
    snprintf(names[count++], sizeof names[0], "%.50s", entry->d_name);
  }
  for (int i = count - 1; i >= 0; i -= 7) {
    seekdir(directory, places[i]);
    struct dirent *entry = readdir(directory);
    wrong += !entry || strcmp(entry->d_name, names[i]) != 0;
  }
  EQUAL("seekdir goes where telldir was", 0, wrong);
  make_file("told/new", "");
  unlink("told/entry-0007");
  rewinddir(directory);
  int found_new = 0, found_old = 0, all = 0;
  for (struct dirent *entry; (entry = readdir(directory)); all++) {
    found_new += strcmp(entry->d_name, "new") == 0;
    found_old += strcmp(entry->d_name, "entry-0007") == 0;
  }
  closedir(directory);
  EQUAL("rewinddir sees what is new", 1, found_new);
  EQUAL("and not what is gone", 0, found_old);
  EQUAL("and all the rest", SOME + 2, all);
  int base = open("below", O_RDONLY | O_DIRECTORY);
  SUCCEEDS("a directory that is held open", rename("below", "moved"));
  int file = openat(base, "new", O_CREAT | O_WRONLY, 0644);
  SUCCEEDS("and moved, is still that directory", file);
  close(file);
  close(base);
  SUCCEEDS("by its new name", access("moved/new", F_OK));
}

const struct test_case directory_cases[] = {
    {"listing", prepare_listing, check_listing},
    {"listing-while-changing", prepare_changing, check_changing},
    {"places-in-lists", prepare_places, check_places},
    {0},
};
