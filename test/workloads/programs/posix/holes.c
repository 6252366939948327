#include "harness.h"
#include <sys/statvfs.h>

static void prepare_holes(void) {
  make_file("short", "0123456789");
  make_file("extended", "0123456789");
  make_file("far", "near");
  make_file("huge", "");
  make_file("full", "");
  static char block[1 << 16];
  memset(block, 'f', sizeof block);
  int file = open("full", O_WRONLY);
  for (int i = 0; i < 16; i++)
    if (write(file, block, sizeof block) != sizeof block)
      abort();
  close(file);
  make_file("sparse", "begin");
  if (truncate("sparse", 8 << 20) != 0)
    abort();
}

static int all_are(const char *path, char expected, long from, long to) {
  static char block[1 << 16];
  int file = open(path, O_RDONLY), same = 1;
  while (from < to && same) {
    size_t wanted = (size_t)(to - from) < sizeof block ? (size_t)(to - from) : sizeof block;
    ssize_t got = pread(file, block, wanted, from);
    if (got <= 0)
      same = 0;
    for (ssize_t i = 0; i < got; i++)
      same &= block[i] == expected;
    from += got;
  }
  close(file);
  return same;
}

static long blocks_of(const char *path) {
  struct stat found;
  int file = open(path, O_RDONLY);
  fsync(file);
  fstat(file, &found);
  close(file);
  return found.st_blocks;
}

static void check_holes(void) {
  SUCCEEDS("truncate to less", truncate("short", 4));
  TEXT("cuts", "0123", text_of("short"));
  SUCCEEDS("then to more", truncate("short", 10));
  EQUAL("gives the larger size", 10, size_of("short"));
  HOLDS("and zeros, not what was there", all_are("short", 0, 4, 10));
  SUCCEEDS("to more at once", truncate("extended", 100000));
  HOLDS("leaves what was there", all_are("extended", 0, 10, 100000));
  TEXT("at the beginning", "0123456789", text_of("extended"));
  SUCCEEDS("a full file cut inside a block", truncate("full", 300001));
  SUCCEEDS("and grown again", truncate("full", 1 << 20));
  HOLDS("is full before the cut", all_are("full", 'f', 0, 300001));
  HOLDS("and empty after it", all_are("full", 0, 300001, 1 << 20));
  SUCCEEDS("written in the middle of that", overwrite("full", 700000, "island"));
  HOLDS("is empty before it", all_are("full", 0, 300001, 700000));
  HOLDS("and after it", all_are("full", 0, 700006, 1 << 20));
  SUCCEEDS("a write far beyond the end", overwrite("far", 5000000, "far"));
  EQUAL("gives the size", 5000003, size_of("far"));
  HOLDS("with zeros between", all_are("far", 0, 4, 5000000));
  TEXT("after what was there", "near", text_of("far"));
  HOLDS("and takes little space", blocks_of("far") < 5000000 / 512 / 4);
  SUCCEEDS("a write at 5 GiB", overwrite("huge", 5368709120, "five"));
  EQUAL("gives a size of more than 4 GiB", 5368709124, size_of("huge"));
  char text[5] = "";
  int file = open("huge", O_RDONLY);
  EQUAL("is read there", 4, pread(file, text, 4, 5368709120));
  TEXT("as it was written", "five", text);
  EQUAL("zeros are read before it", 4, pread(file, text, 4, 4294967296));
  EQUAL("zeros", 0, text[0] | text[1] | text[2] | text[3]);
  close(file);
  SUCCEEDS("truncate to 1 TiB", truncate("huge", 1L << 40));
  EQUAL("gives that size", 1L << 40, size_of("huge"));
  SUCCEEDS("and back", truncate("huge", 0));
  HOLDS("takes no space then", blocks_of("huge") <= 8);
  HOLDS("a sparse file takes little space", blocks_of("sparse") < 8 * 2048 / 4);
  HOLDS("a full one takes its space", blocks_of("full") >= 300001 / 512);
  file = open("sparse", O_RDONLY);
  EQUAL("data is found where it is", 0, lseek(file, 0, SEEK_DATA));
  HOLDS("a hole is found at the end at the latest", lseek(file, 0, SEEK_HOLE) <= 8 << 20);
  FAILS("no data is found beyond the end", ENXIO, lseek(file, 9 << 20, SEEK_DATA));
  close(file);
}

static void prepare_space(void) { make_file("file", "text"); }

static void check_space(void) {
  struct statvfs before, after;
  static char block[1 << 20];
  SUCCEEDS("statvfs", statvfs(".", &before));
  EQUAL("the longest name", 255, before.f_namemax);
  HOLDS("there is a disk", before.f_blocks > 0 && before.f_bsize > 0 && before.f_frsize > 0);
  HOLDS("no more is free than there is", before.f_bfree <= before.f_blocks);
  HOLDS("no more is to be had than is free", before.f_bavail <= before.f_bfree);
  HOLDS("files can be made", before.f_files == 0 || before.f_ffree > 0);
  memset(block, 'x', sizeof block);
  int file = open("large", O_CREAT | O_WRONLY, 0644), written = 0;
  for (int i = 0; i < 32; i++)
    written += write(file, block, sizeof block) == (ssize_t)sizeof block;
  EQUAL("32 MiB are written", 32, written);
  SUCCEEDS("and synced", fsync(file));
  close(file);
  SUCCEEDS("statvfs again", statvfs("large", &after));
  HOLDS("less is free",
        after.f_bavail * after.f_frsize < before.f_bavail * before.f_frsize - (16ul << 20));
  SUCCEEDS("removed", unlink("large"));
}

const struct test_case hole_cases[] = {
    {"holes", prepare_holes, check_holes}, {"free-space", prepare_space, check_space}, {0}};
