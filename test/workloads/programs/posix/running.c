#include "harness.h"

/* A program of no libraries is at hand: this one. */
static void copy_self(const char *to, mode_t mode) {
  static char bytes[1 << 16];
  int from = open("/proc/self/exe", O_RDONLY), file = open(to, O_CREAT | O_EXCL | O_WRONLY, 0755);
  for (ssize_t length; (length = read(from, bytes, sizeof bytes)) > 0;)
    if (write(file, bytes, (size_t)length) != length)
      abort();
  close(from);
  close(file);
  set_mode(to, mode);
}

static void prepare_running(void) {
  copy_self("program", 0755);
  copy_self("run-only", 0711);
  copy_self("no-program", 0644);
  make_file("script", "#!program\n");
  set_mode("script", 0755);
}

/* The exit status, or minus errno when it does not begin. Without arguments, posix ends with 2. */
static int run(const char *path) {
  int status;
  pid_t child = fork();
  if (child == 0) {
    close(2);
    execl(path, path, (char *)0);
    _exit(100 + errno);
  }
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void alice_runs(void) {
  EQUAL("others run what they may not read", 2, run("run-only"));
  FAILS("which they cannot open", EACCES, try_open("run-only", O_RDONLY, 0));
  EQUAL("and not what is no program", 100 + EACCES, run("no-program"));
}

static void check_running(void) {
  EQUAL("a program runs", 2, run("program"));
  EQUAL("a file without x does not", 100 + EACCES, run("no-program"));
  as_user(ALICE, STAFF, alice_runs);
  EQUAL("a script runs its interpreter", 2, run("script"));
  SUCCEEDS("made a program", chmod("no-program", 0755));
  EQUAL("it runs", 2, run("no-program"));
  copy_self("fresh", 0755);
  EQUAL("a copy runs", 2, run("fresh"));
  SUCCEEDS("and under another name", rename("fresh", "renamed"));
  EQUAL("it runs, too", 2, run("renamed"));
  SUCCEEDS("unmade", chmod("renamed", 0644));
  EQUAL("it does not", 100 + EACCES, run("renamed"));
  int file = open("program", O_RDWR);
  EQUAL("what is being written does not run", 100 + ETXTBSY, run("program"));
  close(file);
  EQUAL("and does again after that", 2, run("program"));
}

const struct test_case running_cases[] = {{"running", prepare_running, check_running}, {0}};
