/* Preloaded into a process, makes calls on files fail. STORAGE_FAULT is "call:errno:times:part of the path":
   the call (open, read, write, close, fsync or rename) on such a path fails so many times, in all processes that
   have the counter file STORAGE_FAULT_COUNT; -1 is always. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static char call[16], part[512];
static int error, times, ready;

static int real_open(const char *path, int flags, mode_t mode) {
  int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
  return real(path, flags, mode);
}

static int fails(const char *which, const char *path) {
  if (!ready) {
    const char *spec = getenv("STORAGE_FAULT");
    ready = spec == NULL || sscanf(spec, "%15[^:]:%d:%d:%511s", call, &error, &times, part) != 4 ? -1 : 1;
  }
  if (ready < 0 || strcmp(which, call) != 0 || strstr(path, part) == NULL) return 0;
  if (times >= 0) {
    /* one byte for each failure so far */
    int fd = real_open(getenv("STORAGE_FAULT_COUNT"), O_RDWR | O_CREAT | O_APPEND, 0600);
    ssize_t (*real_write)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    int (*real_close)(int) = dlsym(RTLD_NEXT, "close");
    flock(fd, LOCK_EX);
    int over = lseek(fd, 0, SEEK_END) >= times;
    if (!over && real_write(fd, "x", 1) != 1) over = 1;
    real_close(fd);
    if (over) return 0;
  }
  errno = error;
  return 1;
}

static int fails_fd(const char *which, int fd) {
  if (ready > 0 && strcmp(which, call) != 0) return 0;
  char link[64], path[1024];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, sizeof path - 1);
  if (n < 0) return 0;
  path[n] = 0;
  return fails(which, path);
}

#define OPEN(name)                                                   \
  int name(const char *path, int flags, ...) {                       \
    va_list args;                                                    \
    va_start(args, flags);                                           \
    mode_t mode = va_arg(args, mode_t);                              \
    va_end(args);                                                    \
    if (fails("open", path)) return -1;                              \
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, #name);   \
    return real(path, flags, mode);                                  \
  }
OPEN(open)
OPEN(open64)

ssize_t read(int fd, void *to, size_t count) {
  if (fails_fd("read", fd)) return -1;
  ssize_t (*real)(int, void *, size_t) = dlsym(RTLD_NEXT, "read");
  return real(fd, to, count);
}

ssize_t write(int fd, const void *from, size_t count) {
  if (fails_fd("write", fd)) return -1;
  ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
  return real(fd, from, count);
}

/* how Java copies from file to file */
ssize_t copy_file_range(int from, off_t *at, int to, off_t *into, size_t count, unsigned flags) {
  if (fails_fd("write", to)) return -1;
  ssize_t (*real)(int, off_t *, int, off_t *, size_t, unsigned) = dlsym(RTLD_NEXT, "copy_file_range");
  return real(from, at, to, into, count, flags);
}

ssize_t sendfile64(int to, int from, off_t *at, size_t count) {
  if (fails_fd("write", to)) return -1;
  ssize_t (*real)(int, int, off_t *, size_t) = dlsym(RTLD_NEXT, "sendfile64");
  return real(to, from, at, count);
}

int close(int fd) {
  int failed = fails_fd("close", fd);
  int (*real)(int) = dlsym(RTLD_NEXT, "close");
  int result = real(fd);
  if (!failed) return result;
  errno = error;
  return -1;
}

int fsync(int fd) {
  if (fails_fd("fsync", fd)) return -1;
  int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
  return real(fd);
}

int rename(const char *from, const char *to) {
  if (fails("rename", to)) return -1;
  int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
  return real(from, to);
}
