#include "harness.h"
#include <sys/file.h>

/* Mounted nolock, locks are the client's own affair: all processes of one guest must see them. */
static int set_lock(int file, short type, long from, long length) {
  struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = from, .l_len = length};
  return fcntl(file, F_SETLK, &lock);
}

static int in_child(int (*act)(void)) {
  int status;
  pid_t child = fork();
  if (child == 0)
    _exit(act());
  waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}

static int lock_first_bytes(void) {
  return set_lock(open("file", O_RDWR), F_WRLCK, 0, 10) == 0 ? 0 : errno;
}
static int lock_later_bytes(void) {
  return set_lock(open("file", O_RDWR), F_WRLCK, 100, 10) == 0 ? 0 : errno;
}
static int share_first_bytes(void) {
  return set_lock(open("file", O_RDONLY), F_RDLCK, 0, 10) == 0 ? 0 : errno;
}
static int who_locks(void) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  return fcntl(open("file", O_RDWR), F_GETLK, &lock) == 0 && lock.l_pid == getppid() ? 1 : 0;
}
static int flock_exclusively(void) {
  return flock(open("file", O_RDWR), LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
}
static int flock_shared(void) {
  return flock(open("file", O_RDWR), LOCK_SH | LOCK_NB) == 0 ? 0 : errno;
}

static void prepare_locks(void) { make_file("file", "text"); }

static void check_locks(void) {
  int file = open("file", O_RDWR);
  SUCCEEDS("a range is locked", set_lock(file, F_WRLCK, 0, 10));
  EQUAL("others are kept off it", EAGAIN, in_child(lock_first_bytes));
  EQUAL("and learn by whom", 1, in_child(who_locks));
  EQUAL("but not off what is beside it", 0, in_child(lock_later_bytes));
  SUCCEEDS("it is unlocked", set_lock(file, F_UNLCK, 0, 10));
  EQUAL("and free", 0, in_child(lock_first_bytes));
  SUCCEEDS("it is shared", set_lock(file, F_RDLCK, 0, 10));
  EQUAL("with others", 0, in_child(share_first_bytes));
  EQUAL("who cannot have it alone", EAGAIN, in_child(lock_first_bytes));
  close(open("file", O_RDONLY));
  EQUAL("closing any descriptor gives it back", 0, in_child(lock_first_bytes));
  SUCCEEDS("flock shared", flock(file, LOCK_SH | LOCK_NB));
  EQUAL("by two", 0, in_child(flock_shared));
  EQUAL("keeps a third from having it alone", EAGAIN, in_child(flock_exclusively));
  SUCCEEDS("flock given back", flock(file, LOCK_UN));
  EQUAL("is free", 0, in_child(flock_exclusively));
  close(file);
}

const struct test_case lock_cases[] = {{"locks", prepare_locks, check_locks}, {0}};
