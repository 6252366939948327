#include "harness.h"
#include <grp.h>
#include <stdarg.h>
#include <time.h>

static const struct test_case *running;

static const struct test_case *const files_of_cases[] = {
    creating_cases,  renaming_cases, linking_cases,    symlink_cases, removing_cases,
    time_cases,      mode_cases,     permission_cases, data_cases,    hole_cases,
    directory_cases, special_cases,  lock_cases,       running_cases,
};

/* One write(2), so that lines of several processes do not mix. */
static void report(int passed, const char *name, const char *format, ...) {
  char detail[600] = "", line[800];
  va_list arguments;
  va_start(arguments, format);
  if (!passed)
    vsnprintf(detail, sizeof detail, format, arguments);
  va_end(arguments);
  for (char *byte = detail; *byte; byte++)
    if (*byte > 0 && *byte < ' ')
      *byte = '?';
  int length = snprintf(line, sizeof line, "%s\t%s\t%s\t%s\n", passed ? "ok" : "not ok",
                        running->name, name, detail);
  if (write(1, line, (size_t)length) != length)
    abort();
}

static const char *error_name(int error) {
  const char *name = strerrorname_np(error);
  return error == 0 ? "success" : name ? name : "an unknown error";
}

void assert_holds(const char *name, int condition) { report(condition, name, "it does not hold"); }

void assert_equal(const char *name, long expected, long found) {
  report(expected == found, name, "%ld (0%lo) and not %ld (0%lo)", found, found, expected,
         expected);
}

void assert_succeeds(const char *name, long result) {
  int error = errno;
  report(result >= 0, name, "%s", error_name(error));
}

void assert_fails(const char *name, int expected_errno, long result) {
  int error = result >= 0 ? 0 : errno;
  report(error == expected_errno, name, "%s and not %s", error_name(error),
         error_name(expected_errno));
}

void assert_text(const char *name, const char *expected, const char *found) {
  report(strcmp(expected, found) == 0, name, "'%.200s' and not '%.200s'", found, expected);
}

static void must(int worked, const char *call, const char *path) {
  if (worked)
    return;
  printf("cannot prepare %s: %s %s: %s\n", running->name, call, path, strerror(errno));
  exit(3);
}

void make_file(const char *path, const char *text) {
  int file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
  must(file >= 0, "create", path);
  size_t length = strlen(text);
  must(write(file, text, length) == (ssize_t)length, "write", path);
  must(close(file) == 0, "close", path);
}

void make_directory(const char *path, mode_t mode) {
  must(mkdir(path, 0755) == 0, "mkdir", path);
  set_mode(path, mode);
}

void make_link(const char *from, const char *to) { must(link(from, to) == 0, "link", to); }
void make_symlink(const char *target, const char *path) {
  must(symlink(target, path) == 0, "symlink", path);
}

void make_node(const char *path, mode_t type_and_mode, dev_t device) {
  must(mknod(path, type_and_mode, device) == 0, "mknod", path);
}

void set_mode(const char *path, mode_t mode) { must(chmod(path, mode) == 0, "chmod", path); }

void set_owner(const char *path, uid_t user, gid_t group) {
  must(lchown(path, user, group) == 0, "chown", path);
}

void set_times(const char *path, time_t seconds) {
  struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
  must(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW) == 0, "utimensat", path);
}

static int look(const char *path, struct stat *found) { return lstat(path, found) == 0; }

long inode_of(const char *path) {
  struct stat s;
  return look(path, &s) ? (long)s.st_ino : -1;
}
long links_of(const char *path) {
  struct stat s;
  return look(path, &s) ? (long)s.st_nlink : -1;
}
long size_of(const char *path) {
  struct stat s;
  return look(path, &s) ? (long)s.st_size : -1;
}
long owner_of(const char *path) {
  struct stat s;
  return look(path, &s) ? (long)s.st_uid : -1;
}
long group_of(const char *path) {
  struct stat s;
  return look(path, &s) ? (long)s.st_gid : -1;
}
long mode_of(const char *path) {
  struct stat s;
  return look(path, &s) ? (long)(s.st_mode & 07777) : -1;
}
long type_of(const char *path) {
  struct stat s;
  return look(path, &s) ? (long)(s.st_mode & S_IFMT) : -1;
}
int exists(const char *path) {
  struct stat s;
  return look(path, &s);
}

struct timespec modified(const char *path) {
  struct stat s;
  return look(path, &s) ? s.st_mtim : (struct timespec){-1, 0};
}

struct timespec changed(const char *path) {
  struct stat s;
  return look(path, &s) ? s.st_ctim : (struct timespec){-1, 0};
}

int is_later(struct timespec later, struct timespec earlier) {
  return later.tv_sec != earlier.tv_sec ? later.tv_sec > earlier.tv_sec
                                        : later.tv_nsec > earlier.tv_nsec;
}

const char *text_of(const char *path) {
  static char text[4096];
  int file = open(path, O_RDONLY);
  ssize_t length = file < 0 ? -1 : read(file, text, sizeof text - 1);
  if (length < 0)
    snprintf(text, sizeof text, "(cannot read: %s)", error_name(errno));
  else
    text[length] = 0;
  if (file >= 0)
    close(file);
  return text;
}

const char *target_of(const char *path) {
  static char target[PATH_MAX + 1];
  ssize_t length = readlink(path, target, sizeof target - 1);
  if (length < 0)
    return "(no link)";
  target[length] = 0;
  return target;
}

long entries_in(const char *path) {
  DIR *directory = opendir(path);
  if (!directory)
    return -1;
  long count = 0;
  for (struct dirent *entry; (entry = readdir(directory));)
    count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
  closedir(directory);
  return count;
}

int try_open(const char *path, int flags, mode_t mode) {
  int file = open(path, flags, mode);
  return file < 0 ? -1 : close(file);
}

static int write_text(int file, long offset, const char *text) {
  if (file < 0)
    return -1;
  size_t length = strlen(text);
  ssize_t put = offset < 0 ? write(file, text, length) : pwrite(file, text, length, offset);
  int closed = close(file);
  return put == (ssize_t)length ? closed : -1;
}

int append_text(const char *path, const char *text) {
  return write_text(open(path, O_WRONLY | O_APPEND), -1, text);
}

int overwrite(const char *path, long offset, const char *text) {
  return write_text(open(path, O_WRONLY), offset, text);
}

void as_member(uid_t user, gid_t group, gid_t other_group, void (*act)(void)) {
  pid_t child = fork();
  if (child == 0) {
    gid_t groups[] = {group, other_group};
    if (setgroups(2, groups) != 0 || setresgid(group, group, group) != 0 ||
        setresuid(user, user, user) != 0)
      _exit(4);
    act();
    _exit(0);
  }
  int status = -1;
  if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
    report(0, "the process of another user ends", "with status %d", status);
}

void as_user(uid_t user, gid_t group, void (*act)(void)) { as_member(user, group, group, act); }

void let_time_pass(void) { usleep(20000); }

static void forget_caches(void) {
  int file = open("/proc/sys/vm/drop_caches", O_WRONLY);
  sync();
  if (file < 0 || write(file, "3", 1) != 1)
    perror("drop_caches");
  if (file >= 0)
    close(file);
}

/* In a process of its own: a case that crashes or hangs keeps no other from running. */
static void run_apart(void (*act)(void), const char *what) {
  pid_t child = fork();
  if (child == 0) {
    alarm(600);
    act();
    exit(0);
  }
  int status = -1;
  if (child < 0 || waitpid(child, &status, 0) != child)
    perror("waitpid");
  report(status == 0, what, "with status %d", status);
}

enum mode { PREPARE, CHECK, BOTH };

static void run_case(enum mode mode) {
  if (mode != CHECK && mkdir(running->name, 0755) != 0)
    must(0, "mkdir", running->name);
  must(chdir(running->name) == 0, "chdir", running->name);
  if (mode == PREPARE)
    running->prepare();
  if (mode == BOTH) {
    run_apart(running->prepare, "it is prepared to the end");
    forget_caches();
  }
  if (mode != PREPARE)
    run_apart(running->check, "it runs to the end");
  must(chdir("..") == 0, "chdir", "..");
}

/*
 * posix prepare|check|run DIRECTORY [CASE]: makes the objects of each case in a directory, looks at
 * those that were made before, or both.
 */
int main(int argc, char **argv) {
  static const char *const modes[] = {"prepare", "check", "run"};
  enum mode mode = PREPARE;
  while (argc >= 3 && mode <= BOTH && strcmp(argv[1], modes[mode]) != 0)
    mode++;
  if (argc < 3 || mode > BOTH || chdir(argv[2]) != 0) {
    fprintf(stderr, "usage: posix prepare|check|run DIRECTORY [CASE]\n");
    return 2;
  }
  umask(022);
  for (size_t file = 0; file < sizeof files_of_cases / sizeof *files_of_cases; file++)
    for (running = files_of_cases[file]; running->name; running++)
      if (argc < 4 || strcmp(argv[3], running->name) == 0)
        run_case(mode);
  printf("done\n");
  return 0;
}
