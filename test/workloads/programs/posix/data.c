#include "harness.h"
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

static char block[1 << 16];

static void fill(char *bytes, size_t length, unsigned seed) {
  for (size_t i = 0; i < length; i++)
    bytes[i] = (char)((i * 31 + i / 251 + seed) & 0xff);
}

static void prepare_data(void) {
  make_file("file", "0123456789");
  make_file("append", "begin");
  make_file("read-only", "text");
  make_directory("directory", 0755);
  make_file("two-writers", "");
  make_file("source", "copied all over");
  make_file("large", "");
  int file = open("large", O_WRONLY);
  fill(block, sizeof block, 7);
  for (int i = 0; i < 16; i++)
    if (write(file, block, sizeof block) != sizeof block)
      abort();
  close(file);
}

static void check_data(void) {
  char text[40] = "";
  int file = open("file", O_RDWR);
  EQUAL("inside", 3, pwrite(file, "abc", 3, 4));
  TEXT("only that changes", "0123abc789", text_of("file"));
  EQUAL("at the end", 3, pwrite(file, "end", 3, 10));
  TEXT("it is longer", "0123abc789end", text_of("file"));
  EQUAL("reading at the end", 0, pread(file, text, 10, 13));
  EQUAL("reading beyond it", 0, pread(file, text, 10, 1000));
  EQUAL("reading over it", 3, pread(file, text, 30, 10));
  EQUAL("the end by lseek", 13, lseek(file, 0, SEEK_END));
  struct iovec parts[2] = {{"(", 1}, {")", 1}};
  EQUAL("in parts", 2, pwritev(file, parts, 2, 1));
  TEXT("all of them", "0()3abc789end", text_of("file"));
  EQUAL("nothing at all", 0, pwrite(file, "", 0, 5));
  FAILS("before the beginning", EINVAL, pwrite(file, "x", 1, -1));
  close(file);
  int first = open("append", O_WRONLY | O_APPEND), second = open("append", O_WRONLY | O_APPEND);
  for (int i = 0; i < 4; i++) {
    if (write(i % 2 ? second : first, i % 2 ? "b" : "a", 1) != 1)
      break;
  }
  close(first);
  close(second);
  TEXT("two that append do not overwrite each other", "beginabab", text_of("append"));
  file = open("read-only", O_RDONLY);
  FAILS("write to what is open to read", EBADF, write(file, "x", 1));
  FAILS("ftruncate of it", EINVAL, ftruncate(file, 0));
  close(file);
  file = open("directory", O_RDONLY);
  FAILS("read of a directory", EISDIR, read(file, text, 10));
  close(file);
  FAILS("truncate of a directory", EISDIR, truncate("directory", 0));
  FAILS("truncate of nothing", ENOENT, truncate("none", 0));
  FAILS("truncate to less than nothing", EINVAL, truncate("file", -1));

  pid_t writers[2];
  for (int writer = 0; writer < 2; writer++) {
    if ((writers[writer] = fork()) != 0)
      continue;
    int mine = open("two-writers", O_WRONLY);
    for (long at = writer; at < 2000; at += 2)
      if (pwrite(mine, writer ? "b" : "a", 1, at) != 1)
        _exit(1);
    _exit(close(mine) == 0 ? 0 : 1);
  }
  int status, failed = 0;
  for (int writer = 0; writer < 2; writer++)
    waitpid(writers[writer], &status, 0), failed += status;
  EQUAL("two processes write every other byte", 0, failed);
  const char *both = text_of("two-writers");
  int right = 0;
  for (int at = 0; at < 2000; at++)
    right += both[at] == (at % 2 ? 'b' : 'a');
  EQUAL("and both see all of it", 2000, right);

  file = open("source", O_RDONLY);
  int copy = open("copy", O_CREAT | O_RDWR, 0644);
  EQUAL("copy_file_range", 6, copy_file_range(file, NULL, copy, NULL, 6, 0));
  EQUAL("sendfile goes on", 9, sendfile(copy, file, NULL, 20));
  close(file);
  close(copy);
  TEXT("the copy is whole", "copied all over", text_of("copy"));
}

static void check_large(void) {
  static char found[sizeof block];
  int file = open("large", O_RDWR), wrong = 0;
  fill(block, sizeof block, 7);
  EQUAL("one byte in a large file", 1, pwrite(file, "!", 1, 300000));
  EQUAL("synced", 0, fsync(file));
  posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
  for (int i = 0; i < 16; i++) {
    if (pread(file, found, sizeof found, (off_t)i * (off_t)sizeof found) != sizeof found)
      wrong += 1000000;
    for (size_t j = 0; j < sizeof block; j++)
      wrong += found[j] != block[j];
  }
  EQUAL("changes that byte alone", 1, wrong);
  close(file);
  file = open("large", O_RDWR);
  char *mapped = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  HOLDS("mapped", mapped != MAP_FAILED);
  mapped[500000] = '?';
  SUCCEEDS("synced by msync", msync(mapped, 1 << 20, MS_SYNC));
  EQUAL("what is mapped is read", 1, pread(file, found, 1, 500000));
  EQUAL("as it was written", '?', found[0]);
  EQUAL("what is written", 1, pwrite(file, "+", 1, 600000));
  EQUAL("is seen in the mapping", '+', mapped[600000]);
  SUCCEEDS("unmapped", munmap(mapped, 1 << 20));
  close(file);
  file = open("large", O_RDWR | O_SYNC);
  EQUAL("O_SYNC", 4, pwrite(file, "sync", 4, 700000));
  close(file);
  file = open("large", O_RDWR | O_DIRECT);
  char *aligned = aligned_alloc(4096, 8192);
  fill(aligned, 8192, 9);
  EQUAL("O_DIRECT", 8192, pwrite(file, aligned, 8192, 8192));
  memset(aligned, 0, 8192);
  EQUAL("O_DIRECT is read", 8192, pread(file, aligned, 8192, 8192));
  fill(block, 8192, 9);
  EQUAL("as it was written directly", 0, memcmp(aligned, block, 8192));
  close(file);
}

const struct test_case data_cases[] = {
    {"data", prepare_data, check_data}, {"large-file", prepare_data, check_large}, {0}};
