#include "harness.h"

static void prepare_remove(void) {
  make_file("file", "text");
  make_directory("empty", 0755);
  make_directory("full", 0755);
  make_file("full/file", "in the way");
  make_directory("nested", 0755);
  make_directory("nested/a", 0755);
  make_directory("nested/b", 0755);
  make_directory("again", 0755);
  make_file("again/file", "first");
  make_directory("again/directory", 0755);
  make_file("again/directory/inside", "inside");
  make_directory("stood-in", 0755);
  make_symlink("empty", "to-empty");
}

static void check_remove(void) {
  FAILS("rmdir of a full directory", ENOTEMPTY, rmdir("full"));
  FAILS("rmdir of a file", ENOTDIR, rmdir("file"));
  FAILS("rmdir of nothing", ENOENT, rmdir("none"));
  FAILS("rmdir of a dot", EINVAL, rmdir("empty/."));
  FAILS("rmdir of a dot-dot", ENOTEMPTY, rmdir("nested/a/.."));
  FAILS("unlink of a directory", EISDIR, unlink("empty"));
  FAILS("unlink of nothing", ENOENT, unlink("none"));
  FAILS("unlink of a file as a directory", ENOTDIR, unlink("file/"));
  FAILS("unlink below a file", ENOTDIR, unlink("file/inside"));
  FAILS("mkdir over a file", EEXIST, mkdir("file", 0755));
  FAILS("mkdir over a directory", EEXIST, mkdir("empty", 0755));
  FAILS("mkdir over a symlink", EEXIST, mkdir("to-empty", 0755));
  FAILS("mkdir in no directory", ENOENT, mkdir("none/new", 0755));
  FAILS("mkdir below a file", ENOTDIR, mkdir("file/new", 0755));
  SUCCEEDS("mkdir with a slash at its end", mkdir("slash/", 0755));
  EQUAL("an empty directory has two links", 2, links_of("empty"));
  EQUAL("and one for each below", 4, links_of("nested"));
  SUCCEEDS("rmdir", rmdir("nested/a"));
  EQUAL("takes a link", 3, links_of("nested"));
  SUCCEEDS("mkdir", mkdir("nested/c", 0755));
  EQUAL("gives one", 4, links_of("nested"));
  SUCCEEDS("rmdir of an empty one", rmdir("empty"));
  HOLDS("it is gone", !exists("empty"));
  SUCCEEDS("made again", mkdir("empty", 0700));
  EQUAL("it is a new one", 0700, mode_of("empty"));
  SUCCEEDS("unlink", unlink("file"));
  HOLDS("the file is gone", !exists("file"));
  SUCCEEDS("a file is removed", unlink("again/file"));
  make_file("again/file", "second");
  TEXT("one of its name has its own contents", "second", text_of("again/file"));
  SUCCEEDS("what is in a directory", unlink("again/directory/inside"));
  SUCCEEDS("then the directory", rmdir("again/directory"));
  make_file("again/directory", "a file now");
  TEXT("a file takes its name", "a file now", text_of("again/directory"));
  SUCCEEDS("and goes", unlink("again/directory"));
  SUCCEEDS("a directory takes it back", mkdir("again/directory", 0755));
  EQUAL("and is empty", 0, entries_in("again/directory"));
  EQUAL("all that is seen in the list", 2, entries_in("again"));
  SUCCEEDS("who stands in a directory", chdir("stood-in"));
  SUCCEEDS("may remove it", rmdir("../stood-in"));
  FAILS("and make nothing there", ENOENT, try_open("file", O_CREAT | O_WRONLY, 0644));
}

/* rm -r, mkdir -p, and so on, in turns. */
static void prepare_tree(void) {
  make_directory("tree", 0755);
  char path[60];
  for (int i = 0; i < 5; i++) {
    snprintf(path, sizeof path, "tree/%d", i);
    make_directory(path, 0755);
    for (int j = 0; j < 10; j++) {
      snprintf(path, sizeof path, "tree/%d/%d", i, j);
      make_file(path, path);
    }
  }
}

static int remove_tree(const char *path) {
  char command[100];
  DIR *directory = opendir(path);
  if (!directory)
    return unlink(path);
  for (struct dirent *entry; (entry = readdir(directory));) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
      continue;
    snprintf(command, sizeof command, "%s/%.30s", path, entry->d_name);
    if (entry->d_type == DT_DIR ? remove_tree(command) : unlink(command)) {
      closedir(directory);
      return -1;
    }
  }
  closedir(directory);
  return rmdir(path);
}

static void check_tree(void) {
  SUCCEEDS("a tree is removed while it is listed", remove_tree("tree"));
  FAILS("and is gone", ENOENT, access("tree", F_OK));
  prepare_tree();
  TEXT("made again, it is whole", "tree/4/9", text_of("tree/4/9"));
  SUCCEEDS("removed again", remove_tree("tree"));
  SUCCEEDS("its name is free", mkdir("tree", 0755));
  EQUAL("and nothing of it is left", 0, entries_in("tree"));
}

const struct test_case removing_cases[] = {
    {"removing", prepare_remove, check_remove}, {"remove-tree", prepare_tree, check_tree}, {0}};
