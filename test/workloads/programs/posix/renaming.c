#include "harness.h"
#include <sys/syscall.h>

static void prepare_files(void) {
  make_file("a", "a");
  make_file("b", "b");
  make_file("kept", "kept");
  make_file("one", "linked");
  make_link("one", "two");
  make_file("other", "other");
  make_directory("directory", 0755);
  make_directory("elsewhere", 0755);
  make_file("elsewhere/victim", "victim");
  make_link("elsewhere/victim", "victim-too");
  make_symlink("kept", "symlink");
  make_file("open", "still open");
  make_file("overwritten", "read me");
}

static void check_files(void) {
  long inode = inode_of("a");
  SUCCEEDS("to a new name", rename("a", "moved"));
  EQUAL("it is the same file", inode, inode_of("moved"));
  HOLDS("the old name is gone", !exists("a"));
  FAILS("what is gone cannot be renamed", ENOENT, rename("a", "again"));
  SUCCEEDS("over another file", rename("moved", "b"));
  EQUAL("which it replaces", inode, inode_of("b"));
  TEXT("with its contents", "a", text_of("b"));
  SUCCEEDS("onto itself", rename("kept", "kept"));
  TEXT("changes nothing", "kept", text_of("kept"));
  SUCCEEDS("onto another name of the same file", rename("one", "two"));
  HOLDS("leaves both names", exists("one") && exists("two"));
  EQUAL("and both links", 2, links_of("one"));
  SUCCEEDS("over one of two names", rename("other", "elsewhere/victim"));
  EQUAL("takes one link of the file that was there", 1, links_of("victim-too"));
  TEXT("which keeps its contents", "victim", text_of("victim-too"));
  TEXT("under the other name is the new file", "other", text_of("elsewhere/victim"));
  FAILS("a file over a directory", EISDIR, rename("kept", "directory"));
  FAILS("a directory over a file", ENOTDIR, rename("directory", "kept"));
  FAILS("into no directory", ENOENT, rename("kept", "none/kept"));
  FAILS("below a file", ENOTDIR, rename("kept", "b/kept"));
  FAILS("a file to a name with a slash", ENOTDIR, rename("kept", "slash/"));
  SUCCEEDS("a symlink", rename("symlink", "renamed-symlink"));
  TEXT("moves the link, not its target", "kept", target_of("renamed-symlink"));
  SUCCEEDS("a file over a symlink", rename("b", "renamed-symlink"));
  EQUAL("replaces the link", S_IFREG, type_of("renamed-symlink"));
  TEXT("and not what it points at", "kept", text_of("kept"));

  int file = open("open", O_RDWR);
  SUCCEEDS("an open file", rename("open", "elsewhere/open"));
  EQUAL("which can be written after that", 4, pwrite(file, "STIL", 4, 0));
  close(file);
  TEXT("and is seen where it went", "STILl open", text_of("elsewhere/open"));
  file = open("overwritten", O_RDONLY);
  make_file("newcomer", "new");
  SUCCEEDS("over an open file", rename("newcomer", "overwritten"));
  char text[8] = "";
  EQUAL("which can still be read", 7, read(file, text, 7));
  TEXT("as it was", "read me", text);
  close(file);
  TEXT("while its name is the other's", "new", text_of("overwritten"));
}

static void prepare_directories(void) {
  make_directory("source", 0755);
  make_directory("source/child", 0755);
  make_directory("source/child/grandchild", 0755);
  make_file("source/child/grandchild/file", "deep");
  make_file("source/file", "shallow");
  make_directory("parent", 0755);
  make_directory("empty", 0755);
  make_directory("full", 0755);
  make_file("full/file", "in the way");
  make_directory("mover", 0755);
  make_file("mover/inside", "inside");
  make_directory("victim", 0755);
  make_symlink("parent", "to-parent");
}

static void check_directories(void) {
  long inode = inode_of("source"), above = links_of("."), below = links_of("parent");
  FAILS("into itself", EINVAL, rename("source", "source/inside"));
  FAILS("into its descendant", EINVAL, rename("source", "source/child/grandchild/inside"));
  FAILS("over its own parent", ENOTEMPTY, rename("source/child", "source"));
  FAILS("over a full one", ENOTEMPTY, rename("empty", "full"));
  FAILS("of a dot", EBUSY, rename("source/.", "elsewhere"));
  FAILS("of a dot-dot", EBUSY, rename("source/child/..", "elsewhere"));
  SUCCEEDS("onto itself", rename("source", "source"));
  SUCCEEDS("with all that is in it", rename("source", "parent/moved"));
  EQUAL("it is the same directory", inode, inode_of("parent/moved"));
  TEXT("a file came with it", "shallow", text_of("parent/moved/file"));
  TEXT("and one deep below", "deep", text_of("parent/moved/child/grandchild/file"));
  EQUAL("its dot-dot is the new parent", inode_of("parent"), inode_of("parent/moved/.."));
  EQUAL("the old parent has a link less", above - 1, links_of("."));
  EQUAL("the new parent has one more", below + 1, links_of("parent"));
  HOLDS("the old name is gone", !exists("source"));
  SUCCEEDS("the old name can be given again", mkdir("source", 0755));
  EQUAL("to an empty directory", 0, entries_in("source"));
  SUCCEEDS("a file is made in what moved",
           try_open("parent/moved/child/new", O_CREAT | O_WRONLY, 0644));
  SUCCEEDS("back again, over the empty one", rename("parent/moved", "source"));
  EQUAL("with what was made in it", 2, entries_in("source/child"));
  EQUAL("and the links are as before", below, links_of("parent"));
  SUCCEEDS("over an empty one", rename("mover", "victim"));
  TEXT("brings what was in it", "inside", text_of("victim/inside"));
  EQUAL("takes the place of the other", above - 1, links_of("."));
  SUCCEEDS("to a name with a slash", rename("victim", "victim-slash/"));
  SUCCEEDS("by a symlink on the way", rename("victim-slash", "to-parent/victim"));
  TEXT("it is where the link points", "inside", text_of("parent/victim/inside"));
}

static void prepare_swap(void) {
  make_directory("left", 0755);
  make_file("left/name", "left");
  make_directory("right", 0755);
  make_file("right/name", "right");
  make_directory("chain", 0755);
  make_directory("chain/1", 0755);
  make_directory("chain/1/2", 0755);
  make_directory("chain/1/2/3", 0755);
  make_file("chain/1/2/3/end", "end");
  make_directory("top", 0755);
  make_directory("here", 0755);
}

static void check_swap(void) {
  SUCCEEDS("the left goes aside", rename("left", "aside"));
  SUCCEEDS("the right goes left", rename("right", "left"));
  SUCCEEDS("what is aside goes right", rename("aside", "right"));
  TEXT("left is right", "right", text_of("left/name"));
  TEXT("right is left", "left", text_of("right/name"));
  SUCCEEDS("the lowest goes to the top", rename("chain/1/2/3", "top/3"));
  SUCCEEDS("the one above it goes below it", rename("chain/1/2", "top/3/2"));
  SUCCEEDS("and the first below that", rename("chain/1", "top/3/2/1"));
  SUCCEEDS("until the chain is the other way round", rename("chain", "top/3/2/1/chain"));
  TEXT("and its end at the top", "end", text_of("top/3/end"));
  EQUAL("nothing is left in the last", 0, entries_in("top/3/2/1/chain"));
  for (int i = 0; i < 50; i++) {
    char from[20], to[20];
    snprintf(from, sizeof from, "top/%d", i + 3);
    snprintf(to, sizeof to, "top/%d", i + 4);
    if (rename(from, to) != 0)
      break;
  }
  TEXT("renamed fifty times, it is still there", "end", text_of("top/53/end"));
  EQUAL("and only once", 1, entries_in("top"));
  char path[PATH_MAX];
  SUCCEEDS("who stands in a directory", chdir("here"));
  SUCCEEDS("may rename it", rename("../here", "../there"));
  HOLDS("and learns its new name",
        getcwd(path, sizeof path) && strcmp(strrchr(path, '/'), "/there") == 0);
  SUCCEEDS("and goes on there", try_open("file", O_CREAT | O_WRONLY, 0644));
  SUCCEEDS("which all can see", access("../there/file", F_OK));
}

static void prepare_flags(void) {
  make_file("a", "a");
  make_file("b", "b");
}

static void check_flags(void) {
  FAILS("RENAME_NOREPLACE does not replace", EEXIST,
        renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE));
  SUCCEEDS("RENAME_EXCHANGE exchanges", renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE));
  TEXT("one way", "b", text_of("a"));
  TEXT("and the other", "a", text_of("b"));
}

static void prepare_image_names(void) {
  make_directory("d", 0755);
  make_file("d/old", "old");
  make_file("d/other", "other");
  make_directory("d/sub", 0755);
  make_file("d/sub/file", "file");
}

/* A name of the image that is taken away, given to something else and taken away again, stays away.
 */
static void check_image_names(void) {
  make_file("d/new", "new");
  SUCCEEDS("a new file goes over an old name", rename("d/new", "d/old"));
  SUCCEEDS("and is removed", unlink("d/old"));
  FAILS("what was below does not come back", ENOENT, access("d/old", F_OK));
  EQUAL("nor in the list", 2, entries_in("d"));
  SUCCEEDS("an old directory goes away", rename("d/sub", "sub"));
  SUCCEEDS("one of that name is made", mkdir("d/sub", 0755));
  EQUAL("without what was in the old one", 0, entries_in("d/sub"));
  SUCCEEDS("and removed", rmdir("d/sub"));
  SUCCEEDS("the old comes back", rename("sub", "d/sub"));
  TEXT("with what was in it", "file", text_of("d/sub/file"));
  SUCCEEDS("a file is removed", unlink("d/sub/file"));
  SUCCEEDS("then its directory", rmdir("d/sub"));
  SUCCEEDS("a file takes the name", rename("d/other", "d/sub"));
  TEXT("and is that file", "other", text_of("d/sub"));
  EQUAL("alone", 1, entries_in("d"));
}

const struct test_case renaming_cases[] = {
    {"rename-files", prepare_files, check_files},
    {"rename-directories", prepare_directories, check_directories},
    {"rename-round-about", prepare_swap, check_swap},
    {"rename-flags", prepare_flags, check_flags},
    {"names-given-again", prepare_image_names, check_image_names},
    {0},
};
