#include "harness.h"

static char long_name[257];

static const char *name_of_length(int length) {
  memset(long_name, 'n', (size_t)length);
  long_name[length] = 0;
  return long_name;
}

static const char *other_long_name(void) {
  memset(long_name, 0xe9, 255);
  long_name[255] = 0;
  return long_name;
}

static const char *too_long_path(void) {
  static char path[PATH_MAX + 2];
  memset(path, '/', PATH_MAX + 1);
  return path;
}

static void prepare_names(void) {
  make_file(name_of_length(255), "255");
  make_file("not utf-8 \xff\xfe\x80", "bytes");
  make_file("caf\xc3\xa9", "composed");
  make_file("cafe\xcc\x81", "decomposed");
  make_file("Case", "upper");
  make_file("case", "lower");
  make_file(" space ", "spaces");
  make_file("back\\slash", "backslash");
  make_file("new\nline", "newline");
  make_directory("directory", 0755);
}

static void check_names(void) {
  TEXT("255 bytes are a name", "255", text_of(name_of_length(255)));
  FAILS("256 bytes are too many to look up", ENAMETOOLONG, access(name_of_length(256), F_OK));
  FAILS("256 bytes are too many to create", ENAMETOOLONG,
        try_open(name_of_length(256), O_CREAT | O_WRONLY, 0644));
  FAILS("256 bytes are too many for a directory", ENAMETOOLONG, mkdir(name_of_length(256), 0755));
  FAILS("256 bytes are too many to rename to", ENAMETOOLONG, rename("case", name_of_length(256)));
  FAILS("256 bytes are too many for a link", ENAMETOOLONG, link("case", name_of_length(256)));
  TEXT("names need not be UTF-8", "bytes", text_of("not utf-8 \xff\xfe\x80"));
  TEXT("a composed letter is a name", "composed", text_of("caf\xc3\xa9"));
  TEXT("and the same decomposed is another", "decomposed", text_of("cafe\xcc\x81"));
  TEXT("case matters", "upper", text_of("Case"));
  TEXT("in both directions", "lower", text_of("case"));
  TEXT("spaces at both ends stay", "spaces", text_of(" space "));
  TEXT("a backslash is a letter", "backslash", text_of("back\\slash"));
  TEXT("a line's end is a letter", "newline", text_of("new\nline"));
  FAILS("an empty path is no name", ENOENT, access("", F_OK));
  FAILS("a path has an end", ENAMETOOLONG, access(too_long_path(), F_OK));
  SUCCEEDS("a name of 255 other bytes is created",
           try_open(other_long_name(), O_CREAT | O_EXCL, 0644));
  SUCCEEDS("and removed", unlink(other_long_name()));
  char every[2] = "";
  int refused = 0;
  for (int byte = 1; byte < 256; byte++) {
    every[0] = (char)byte;
    if (byte == '/' || byte == '.')
      continue;
    refused += try_open(every, O_CREAT | O_EXCL, 0644) != 0 || unlink(every) != 0;
  }
  EQUAL("every byte but two makes a name", 0, refused);
  HOLDS("dot and dot-dot are there", exists("directory/.") && exists("directory/.."));
}

static void prepare_exclusive(void) {
  make_file("file", "text");
  make_directory("directory", 0755);
  make_symlink("nowhere", "dangling");
  make_symlink("file", "to-file");
}

static void check_exclusive(void) {
  int flags = O_CREAT | O_EXCL | O_WRONLY;
  FAILS("over a file", EEXIST, try_open("file", flags, 0644));
  FAILS("over a directory", EEXIST, try_open("directory", flags, 0644));
  FAILS("over a dangling symlink", EEXIST, try_open("dangling", flags, 0644));
  FAILS("over a symlink to a file", EEXIST, try_open("to-file", flags, 0644));
  FAILS("in no directory", ENOENT, try_open("none/new", flags, 0644));
  FAILS("below a file", ENOTDIR, try_open("file/new", flags, 0644));
  SUCCEEDS("where nothing is", try_open("new", flags, 0640));
  EQUAL("with the mode asked for", 0640, mode_of("new"));
  EQUAL("and nothing in it", 0, size_of("new"));
  FAILS("only once", EEXIST, try_open("new", flags, 0640));
  TEXT("the file is untouched", "text", text_of("file"));
  int winners = 0;
  for (int round = 0; round < 20; round++) {
    pid_t children[3];
    for (int i = 0; i < 3; i++)
      if ((children[i] = fork()) == 0)
        _exit(try_open("contended", flags, 0600) == 0 ? 1 : 0);
    for (int i = 0, status; i < 3; i++) {
      waitpid(children[i], &status, 0);
      winners += WEXITSTATUS(status);
    }
    unlink("contended");
  }
  EQUAL("of three at once, one wins", 20, winners);
}

static void prepare_opening(void) {
  make_file("file", "text");
  make_directory("directory", 0755);
  make_symlink("file", "to-file");
  make_symlink("created-through-link", "dangling");
  make_symlink("directory", "to-directory");
}

static void check_opening(void) {
  long inode = inode_of("file");
  FAILS("a missing file", ENOENT, try_open("missing", O_RDONLY, 0));
  FAILS("a directory to write", EISDIR, try_open("directory", O_WRONLY, 0));
  FAILS("a directory to create", EISDIR, try_open("directory", O_CREAT | O_WRONLY, 0644));
  SUCCEEDS("a directory to read", try_open("directory", O_RDONLY, 0));
  FAILS("a file as a directory", ENOTDIR, try_open("file", O_RDONLY | O_DIRECTORY, 0));
  FAILS("a file with a slash at its end", ENOTDIR, try_open("file/", O_RDONLY, 0));
  FAILS("a new file with a slash at its end", EISDIR, try_open("new/", O_CREAT | O_WRONLY, 0644));
  FAILS("a symlink that is not followed", ELOOP, try_open("to-file", O_RDONLY | O_NOFOLLOW, 0));
  SUCCEEDS("through a symlink", try_open("to-file", O_RDONLY, 0));
  SUCCEEDS("through a dangling symlink, which creates its target",
           try_open("dangling", O_CREAT | O_WRONLY, 0644));
  EQUAL("a file is made there", S_IFREG, type_of("created-through-link"));
  SUCCEEDS("creating what is there opens it", try_open("file", O_CREAT | O_WRONLY, 0600));
  EQUAL("and leaves its mode", 0644, mode_of("file"));
  TEXT("and its contents", "text", text_of("file"));
  SUCCEEDS("O_TRUNC", try_open("file", O_WRONLY | O_TRUNC, 0));
  EQUAL("O_TRUNC empties", 0, size_of("file"));
  EQUAL("O_TRUNC keeps the file", inode, inode_of("file"));
  umask(077);
  SUCCEEDS("with a umask", try_open("masked", O_CREAT | O_WRONLY, 0666));
  EQUAL("the umask is taken off", 0600, mode_of("masked"));
  SUCCEEDS("mkdir with a umask", mkdir("masked-directory", 0777));
  EQUAL("the umask is taken off a directory", 0700, mode_of("masked-directory"));
  umask(0);
  SUCCEEDS("with every bit", try_open("every-bit", O_CREAT | O_WRONLY, 07777));
  EQUAL("every bit is set", 07777, mode_of("every-bit"));
  umask(022);
  int file = open("read-only-at-birth", O_CREAT | O_RDWR, 0444);
  EQUAL("who creates a read-only file may write it", 4, write(file, "born", 4));
  close(file);
  TEXT("and it is written", "born", text_of("read-only-at-birth"));
  file = open("modeless", O_CREAT | O_RDWR, 0);
  EQUAL("or one without any mode", 4, write(file, "born", 4));
  close(file);
  EQUAL("which stays without", 0, mode_of("modeless"));
}

const struct test_case creating_cases[] = {
    {"names", prepare_names, check_names},
    {"exclusive-create", prepare_exclusive, check_exclusive},
    {"opening", prepare_opening, check_opening},
    {0},
};
