/*
 * Cases about what POSIX (and Linux, where POSIX leaves it open) says of a file system. A case
 * prepares objects in a directory of its own and then looks at what can be done with them.
 * Preparing and looking are apart so that the objects can be made in the image, on the host, before
 * it is mounted.
 *
 * Every assertion has a name and prints a line of four fields with tabs between them: `ok` or `not
 * ok`, the case, the assertion, and what was found when it does not hold.
 */
#ifndef HARNESS_H
#define HARNESS_H
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

struct test_case {
  const char *name;
  /* Both run as root, with umask 022, in the directory of the case. */
  void (*prepare)(void);
  void (*check)(void);
};

/* Ends with an entry without a name; one in each file of cases. */
extern const struct test_case creating_cases[], renaming_cases[], linking_cases[], symlink_cases[],
    removing_cases[], time_cases[], mode_cases[], permission_cases[], data_cases[], hole_cases[],
    directory_cases[], special_cases[], lock_cases[], running_cases[];

/* Assertions: each evaluates its call once. */
void assert_holds(const char *name, int condition);
void assert_equal(const char *name, long expected, long found);
void assert_succeeds(const char *name, long result);
void assert_fails(const char *name, int expected_errno, long result);
void assert_text(const char *name, const char *expected, const char *found);

#define HOLDS(name, condition) assert_holds(name, condition)
#define EQUAL(name, expected, found) assert_equal(name, (long)(expected), (long)(found))
#define SUCCEEDS(name, call) (errno = 0, assert_succeeds(name, (long)(call)))
#define FAILS(name, error, call) (errno = 0, assert_fails(name, error, (long)(call)))
#define TEXT(name, expected, found) assert_text(name, expected, found)

/* Preparing: ends the program when it cannot. */
void make_file(const char *path, const char *text);
void make_directory(const char *path, mode_t mode);
void make_link(const char *from, const char *to);
void make_symlink(const char *target, const char *path);
void make_node(const char *path, mode_t type_and_mode, dev_t device);
void set_mode(const char *path, mode_t mode);
void set_owner(const char *path, uid_t user, gid_t group);
/* Access and modification in the past, at a whole second. */
void set_times(const char *path, time_t seconds);

/* Looking. Each is about the object itself, also when it is a symbolic link; -1 when it is not
 * there. */
long inode_of(const char *path);
long links_of(const char *path);
long size_of(const char *path);
long owner_of(const char *path);
long group_of(const char *path);
/* Permission bits alone. */
long mode_of(const char *path);
/* S_IFMT bits alone. */
long type_of(const char *path);
struct timespec modified(const char *path);
struct timespec changed(const char *path);
int is_later(struct timespec later, struct timespec earlier);
int exists(const char *path);
/* The first 4095 bytes of a file, or a message in place of them; valid until the next call. */
const char *text_of(const char *path);
const char *target_of(const char *path);
/* Entries without . and .., or -1. */
long entries_in(const char *path);

/* Opens, closes and says with -1 and errno whether that worked. */
int try_open(const char *path, int flags, mode_t mode);
int append_text(const char *path, const char *text);
int overwrite(const char *path, long offset, const char *text);

/* Runs `act` as somebody else, in a process of its own. */
void as_user(uid_t user, gid_t group, void (*act)(void));
void as_member(uid_t user, gid_t group, gid_t other_group, void (*act)(void));
/* Longer than the granularity of a file's times. */
void let_time_pass(void);

enum { ALICE = 2001, BOB = 2002, STAFF = 3001, GUESTS = 3002, WRITERS = 3003 };
#endif
