#include "harness.h"

static void prepare_links(void) {
  make_file("file", "text");
  make_file("one", "shared");
  make_link("one", "two");
  make_directory("directory", 0755);
  make_link("one", "directory/three");
  make_symlink("file", "symlink");
  make_symlink("nowhere", "dangling");
  make_file("many", "many");
  make_directory("links", 0755);
}

static void check_links(void) {
  EQUAL("three names were made", 3, links_of("one"));
  EQUAL("of one file", inode_of("one"), inode_of("directory/three"));
  SUCCEEDS("one more", link("directory/three", "four"));
  EQUAL("is counted by all", 4, links_of("two"));
  SUCCEEDS("written by one name", append_text("two", " data"));
  TEXT("it is read by another", "shared data", text_of("directory/three"));
  SUCCEEDS("attributes, too", chmod("four", 0600));
  EQUAL("are those of the file", 0600, mode_of("one"));
  SUCCEEDS("one name less", unlink("one"));
  EQUAL("is counted by the rest", 3, links_of("two"));
  TEXT("which keep the contents", "shared data", text_of("two"));
  SUCCEEDS("another", unlink("two"));
  SUCCEEDS("and another", unlink("four"));
  EQUAL("until one is left", 1, links_of("directory/three"));
  TEXT("with all of it", "shared data", text_of("directory/three"));
  FAILS("over what is there", EEXIST, link("file", "many"));
  FAILS("over itself", EEXIST, link("file", "file"));
  FAILS("of what is not there", ENOENT, link("none", "new"));
  FAILS("into no directory", ENOENT, link("file", "none/new"));
  FAILS("below a file", ENOTDIR, link("file", "many/new"));
  FAILS("of a directory", EPERM, link("directory", "second"));
  SUCCEEDS("of a symlink itself", link("symlink", "symlink-too"));
  EQUAL("makes a second name of the symlink", S_IFLNK, type_of("symlink-too"));
  EQUAL("which counts two", 2, links_of("symlink"));
  SUCCEEDS("of what a symlink points at",
           linkat(AT_FDCWD, "symlink", AT_FDCWD, "file-too", AT_SYMLINK_FOLLOW));
  EQUAL("makes a second name of the file", inode_of("file"), inode_of("file-too"));
  SUCCEEDS("of a dangling symlink", link("dangling", "dangling-too"));
  int made = 0;
  for (int i = 0; i < 100; i++) {
    char name[20];
    snprintf(name, sizeof name, "links/%d", i);
    made += link("many", name) == 0;
  }
  EQUAL("a hundred names", 100, made);
  EQUAL("are counted", 101, links_of("many"));
  EQUAL("and listed", 100, entries_in("links"));
}

static void prepare_unlinked(void) {
  make_file("open", "open");
  make_file("linked", "linked");
  make_link("linked", "linked-too");
  make_directory("directory", 0755);
  make_file("directory/open", "open");
}

static void check_unlinked(void) {
  char text[20] = "";
  struct stat found;
  int file = open("open", O_RDWR);
  SUCCEEDS("an open file is removed", unlink("open"));
  HOLDS("its name is gone", !exists("open"));
  EQUAL("it can be read", 4, pread(file, text, 4, 0));
  EQUAL("and written", 5, pwrite(file, "there", 5, 4));
  EQUAL("and read again", 9, pread(file, text, 19, 0));
  TEXT("as it was written", "openthere", text);
  SUCCEEDS("and truncated", ftruncate(file, 3));
  SUCCEEDS("and looked at", fstat(file, &found));
  EQUAL("it has its size", 3, found.st_size);
  SUCCEEDS("and its mode changed", fchmod(file, 0600));
  SUCCEEDS("another takes its name", try_open("open", O_CREAT | O_EXCL | O_WRONLY, 0644));
  EQUAL("and is another", 0, size_of("open"));
  EQUAL("the first is still there", 3, pread(file, text, 19, 0));
  SUCCEEDS("until it is closed", close(file));
  EQUAL("nothing else is left behind", 4, entries_in("."));
  file = open("linked", O_RDONLY);
  SUCCEEDS("one of two names of an open file", unlink("linked"));
  EQUAL("leaves one link", 1, links_of("linked-too"));
  EQUAL("and the file readable", 6, read(file, text, 19));
  close(file);
  file = open("directory/open", O_RDONLY);
  SUCCEEDS("the only file of a directory, while open", unlink("directory/open"));
  EQUAL("the only file can be read", 4, read(file, text, 19));
  close(file);
  SUCCEEDS("the directory goes after it", rmdir("directory"));
  file = open("gone", O_CREAT | O_RDWR, 0644);
  SUCCEEDS("a file that was just made", unlink("gone"));
  EQUAL("can be written", 4, write(file, "gone", 4));
  SUCCEEDS("and synced", fsync(file));
  EQUAL("and read", 4, pread(file, text, 19, 0));
  fstat(file, &found);
  EQUAL("an unlinked file has no links", 0, found.st_nlink);
  close(file);
}

const struct test_case linking_cases[] = {
    {"links", prepare_links, check_links},
    {"removed-while-open", prepare_unlinked, check_unlinked},
    {0},
};
