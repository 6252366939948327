/*
 * File system exerciser: random operations on one file, each checked against a copy in memory.
 *
 *   fsx prepare FILE SEED          makes the file that a run with this seed can begin with
 *   fsx run FILE SEED OPERATIONS   exercises it; begins with what is there, or without a file
 *
 * The seed determines every operation. On a mismatch it says where, prints the last operations
 * (those that touched the place are marked) and ends with status 1.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LARGEST_FILE = 512 * 1024, LARGEST_OPERATION = 64 * 1024, LOGGED = 4096, SHOWN = 60 };

enum kind {
  READ,
  WRITE,
  MAP_READ,
  MAP_WRITE,
  APPEND,
  TRUNCATE,
  EXTEND,
  PUNCH,
  REOPEN,
  FSYNC,
  EVICT,
  KINDS
};

static const char *const kind_names[KINDS] = {
    "read",   "write", "map-read", "map-write", "append", "truncate",
    "extend", "punch", "reopen",   "fsync",     "evict",
};

/* Of 100 operations; what makes a server work is rarer, or nothing else would be seen. */
static const int shares[KINDS] = {22, 20, 16, 16, 4, 6, 4, 4, 2, 2, 4};

struct operation {
  enum kind kind;
  long from, to;
};

static const char *path;
static int file = -1;
static unsigned char shadow[LARGEST_FILE];
static long size;
static struct operation logged[LOGGED];
static long operations;
static unsigned char buffer[LARGEST_FILE];

/* splitmix64: small, and the same everywhere. */
static uint64_t state;

static uint64_t next_random(void) {
  uint64_t mixed = (state += 0x9e3779b97f4a7c15);
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  return mixed ^ (mixed >> 31);
}

static long below(long limit) { return limit > 0 ? (long)(next_random() % (uint64_t)limit) : 0; }

static void fill_random(unsigned char *bytes, long length) {
  for (long i = 0; i < length; i++)
    bytes[i] = (unsigned char)next_random();
}

static void show_log(long place) {
  long first = operations > SHOWN ? operations - SHOWN : 0;
  for (long i = operations > LOGGED ? operations - LOGGED : 0; i < operations; i++) {
    const struct operation *each = &logged[i % LOGGED];
    int touches = place >= each->from && place < each->to;
    if (i >= first || (touches && each->kind != READ && each->kind != MAP_READ))
      printf("%c %ld %s %ld..%ld\n", touches ? '*' : ' ', i, kind_names[each->kind], each->from,
             each->to);
  }
}

static _Noreturn void fail(long place, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  show_log(place);
  printf("operation %ld: ", operations - 1);
  vprintf(format, arguments);
  printf("\n");
  exit(1);
}

static _Noreturn void fail_call(const char *call) { fail(-1, "%s: %s", call, strerror(errno)); }

static void compare(const unsigned char *found, long from, long length) {
  long at = 0;
  while (at < length && found[at] == shadow[from + at])
    at++;
  if (at == length)
    return;
  long wrong = 0;
  for (long i = at; i < length; i++)
    wrong += found[i] != shadow[from + i];
  fail(from + at, "%ld bytes are wrong, the first at %ld: %02x and not %02x; the file has %ld",
       wrong, from + at, found[at], shadow[from + at], size);
}

static void check_size(void) {
  struct stat stat;
  if (fstat(file, &stat) != 0)
    fail_call("fstat");
  if (stat.st_size != size)
    fail(-1, "the size is %ld and not %ld", (long)stat.st_size, size);
}

static void open_file(int flags) {
  file = open(path, O_RDWR | flags, 0644);
  if (file < 0)
    fail_call("open");
}

static void close_file(void) {
  if (close(file) != 0)
    fail_call("close");
}

static void read_and_compare(long from, long to) {
  for (long at = from; at < to;) {
    ssize_t got = pread(file, buffer, (size_t)(to - at), at);
    if (got < 0)
      fail_call("read");
    if (got == 0)
      fail(at, "the file ends at %ld and not at %ld", at, size);
    compare(buffer, at, got);
    at += got;
  }
}

static void write_range(long from, long to) {
  if (from == to)
    return; /* Nothing written beyond the end does not extend the file. */
  if (from > size)
    memset(shadow + size, 0, (size_t)(from - size));
  fill_random(shadow + from, to - from);
  for (long at = from; at < to;) {
    ssize_t put = pwrite(file, shadow + at, (size_t)(to - at), at);
    if (put <= 0)
      fail_call("write");
    at += put;
  }
  if (to > size)
    size = to;
}

static void resize(long to) {
  if (ftruncate(file, to) != 0)
    fail_call("ftruncate");
  if (to > size)
    memset(shadow + size, 0, (size_t)(to - size));
  size = to;
}

/* Pages of the file from the one that holds `from` to the one before `to`; *mapped is where they
 * begin. */
static unsigned char *map(long from, long to, int protection, long *mapped) {
  *mapped = from - from % sysconf(_SC_PAGESIZE);
  void *pages = mmap(NULL, (size_t)(to - *mapped), protection, MAP_SHARED, file, *mapped);
  if (pages == MAP_FAILED)
    fail_call("mmap");
  return pages;
}

static void unmap(unsigned char *pages, long mapped, long to) {
  if (munmap(pages, (size_t)(to - mapped)) != 0)
    fail_call("munmap");
}

static void map_read(long from, long to) {
  long mapped;
  if (from == to)
    return;
  unsigned char *pages = map(from, to, PROT_READ, &mapped);
  memcpy(buffer, pages + (from - mapped), (size_t)(to - from));
  unmap(pages, mapped, to);
  compare(buffer, from, to - from);
}

static void map_write(long from, long to) {
  long mapped;
  if (from == to)
    return;
  if (to > size)
    resize(to);
  unsigned char *pages = map(from, to, PROT_READ | PROT_WRITE, &mapped);
  fill_random(shadow + from, to - from);
  memcpy(pages + (from - mapped), shadow + from, (size_t)(to - from));
  if (below(4) == 0 && msync(pages, (size_t)(to - mapped), MS_SYNC) != 0)
    fail_call("msync");
  unmap(pages, mapped, to);
}

/* A hole at the end, as far as plain truncation can make one: what was there is zeros then. */
static void punch(long from) {
  long end = size;
  resize(from);
  resize(end);
}

static void sync_file(void) {
  if (fsync(file) != 0)
    fail_call("fsync");
}

/* The next reads ask the server or the disk. */
static void evict(void) {
  sync_file();
  if (posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) != 0)
    fail_call("posix_fadvise");
}

static enum kind choose_kind(void) {
  long ticket = below(100);
  enum kind kind = READ;
  while (ticket >= shares[kind])
    ticket -= shares[kind++];
  return kind;
}

static void operate(void) {
  enum kind kind = choose_kind();
  int grows = kind == WRITE || kind == MAP_WRITE || kind == EXTEND;
  long from = kind == APPEND ? size : below((grows ? LARGEST_FILE : size) + 1);
  long to = from + below(below(4) == 0 ? LARGEST_OPERATION : 5000);
  long end = grows || kind == APPEND ? LARGEST_FILE : size;
  if (to > end)
    to = end;
  if (kind == EXTEND && from < size)
    from = size;
  if (kind == TRUNCATE || kind == PUNCH)
    to = size;
  if (kind == EXTEND) {
    to = from;
    from = size;
  }
  if (kind == REOPEN || kind == FSYNC || kind == EVICT)
    from = to = -1;
  logged[operations++ % LOGGED] = (struct operation){kind, from, to};
  switch (kind) {
  case READ: read_and_compare(from, to); break;
  case WRITE:
  case APPEND: write_range(from, to); break;
  case MAP_READ: map_read(from, to); break;
  case MAP_WRITE: map_write(from, to); break;
  case TRUNCATE: resize(from); break;
  case EXTEND: resize(to); break;
  case PUNCH: punch(from); break;
  case REOPEN:
    close_file();
    open_file(0);
    break;
  case FSYNC: sync_file(); break;
  case EVICT: evict(); break;
  case KINDS: abort();
  }
  check_size();
}

/* What `prepare` makes: more than a run's largest operation, and not a whole number of blocks. */
static void first_contents(uint64_t seed) {
  state = ~seed;
  size = 150000 + below(200000);
  fill_random(shadow, size);
}

static void prepare(uint64_t seed) {
  first_contents(seed);
  open_file(O_CREAT | O_TRUNC);
  if (write(file, shadow, (size_t)size) != size)
    fail_call("write");
  close_file();
}

static void run(uint64_t seed, long count) {
  first_contents(seed);
  if (access(path, F_OK) != 0)
    size = 0;
  open_file(O_CREAT);
  check_size();
  state = seed;
  while (operations < count)
    operate();
  evict();
  close_file();
  open_file(0);
  check_size();
  read_and_compare(0, size);
  close_file();
  printf("%ld operations, %ld bytes at the end\n", operations, size);
}

int main(int argc, char **argv) {
  if (argc == 4 && strcmp(argv[1], "prepare") == 0) {
    path = argv[2];
    prepare(strtoull(argv[3], NULL, 10));
  } else if (argc == 5 && strcmp(argv[1], "run") == 0) {
    path = argv[2];
    run(strtoull(argv[3], NULL, 10), atol(argv[4]));
  } else {
    fprintf(stderr, "usage: fsx prepare FILE SEED | fsx run FILE SEED OPERATIONS\n");
    return 2;
  }
  return 0;
}
