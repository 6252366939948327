#include "harness.h"
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

static int bind_socket(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  int server = socket(AF_UNIX, SOCK_STREAM, 0);
  if (server < 0 || bind(server, (struct sockaddr *)&address, sizeof address) != 0)
    return -1;
  return listen(server, 1) == 0 ? server : -1;
}

static int connect_socket(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  int client = socket(AF_UNIX, SOCK_STREAM, 0);
  if (client < 0)
    return -1;
  return connect(client, (struct sockaddr *)&address, sizeof address) == 0 ? client : -1;
}

static void prepare_special(void) {
  make_node("fifo", S_IFIFO | 0644, 0);
  make_node("null", S_IFCHR | 0666, makedev(1, 3));
  make_node("zero", S_IFCHR | 0600, makedev(1, 5));
  make_node("large", S_IFBLK | 0600, makedev(259, 70000));
  close(bind_socket("dead-socket"));
  make_file("file", "text");
}

static long device_of(const char *path) {
  struct stat found;
  return lstat(path, &found) == 0 ? (long)found.st_rdev : -1;
}

static void check_special(void) {
  char text[20] = "";
  EQUAL("a fifo is one", S_IFIFO, type_of("fifo"));
  FAILS("a fifo that nobody reads", ENXIO, try_open("fifo", O_WRONLY | O_NONBLOCK, 0));
  pid_t child = fork();
  if (child == 0) {
    int writer = open("fifo", O_WRONLY);
    _exit(write(writer, "through", 7) == 7 ? 0 : 1);
  }
  int reader = open("fifo", O_RDONLY), status;
  EQUAL("what goes in comes out", 7, read(reader, text, 19));
  close(reader);
  waitpid(child, &status, 0);
  EQUAL("and the writer is content", 0, status);
  EQUAL("nothing stays in the file", 0, size_of("fifo"));
  EQUAL("a character device is one", S_IFCHR, type_of("null"));
  EQUAL("and the one that was made", (long)makedev(1, 3), device_of("null"));
  SUCCEEDS("it is written", append_text("null", "lost"));
  TEXT("and nothing is in it", "", text_of("null"));
  int zero = open("zero", O_RDONLY);
  EQUAL("another is read", 4, read(zero, text, 4));
  close(zero);
  EQUAL("a block device is one", S_IFBLK, type_of("large"));
  EQUAL("with a large number", (long)makedev(259, 70000), device_of("large"));
  EQUAL("a socket is one", S_IFSOCK, type_of("dead-socket"));
  FAILS("a socket that nobody listens at", ECONNREFUSED, connect_socket("dead-socket"));
  FAILS("a socket is not opened", ENXIO, try_open("dead-socket", O_RDONLY, 0));
  FAILS("a socket over a file", EADDRINUSE, bind_socket("file"));
  int server = bind_socket("socket");
  SUCCEEDS("a new socket", server);
  int client = connect_socket("socket");
  SUCCEEDS("is connected to", client);
  int accepted = accept(server, NULL, NULL);
  EQUAL("and written", 2, write(client, "hi", 2));
  EQUAL("and read", 2, read(accepted, text, 19));
  close(client);
  close(accepted);
  SUCCEEDS("a socket moves", rename("socket", "moved-socket"));
  client = connect_socket("moved-socket");
  SUCCEEDS("and is connected to there", client);
  close(client);
  close(server);
  SUCCEEDS("a new fifo", mkfifo("new-fifo", 0600));
  SUCCEEDS("a new device", mknod("new-device", S_IFCHR | 0600, makedev(5, 1)));
  EQUAL("has its number", (long)makedev(5, 1), device_of("new-device"));
  FAILS("mkfifo over a file", EEXIST, mkfifo("file", 0644));
  FAILS("mknod over a device", EEXIST, mknod("null", S_IFCHR | 0644, makedev(1, 3)));
  SUCCEEDS("mknod of a plain file", mknod("plain", S_IFREG | 0640, 0));
  EQUAL("makes one", S_IFREG, type_of("plain"));
  SUCCEEDS("chmod of a fifo", chmod("fifo", 0600));
  EQUAL("is kept", 0600, mode_of("fifo"));
  SUCCEEDS("chown of a device", chown("null", ALICE, STAFF));
  EQUAL("is kept, too", ALICE, owner_of("null"));
  EQUAL("and its number with it", (long)makedev(1, 3), device_of("null"));
  SUCCEEDS("a second name of a fifo", link("fifo", "fifo-too"));
  EQUAL("is counted", 2, links_of("fifo"));
  SUCCEEDS("a device over a file", rename("null", "file"));
  EQUAL("replaces it", S_IFCHR, type_of("file"));
  SUCCEEDS("unlink of a fifo", unlink("fifo"));
  SUCCEEDS("unlink of a socket", unlink("dead-socket"));
  SUCCEEDS("unlink of a device", unlink("large"));
  FAILS("rmdir of a fifo", ENOTDIR, rmdir("fifo-too"));
}

const struct test_case special_cases[] = {{"special-files", prepare_special, check_special}, {0}};
