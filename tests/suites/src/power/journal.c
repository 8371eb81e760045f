/* Preloaded into a relay: writes down every change of its data directory, in the order in which they were made, so that
 * the suite of power cuts can work out what a disk would still have of them.
 *
 * MB_JOURNAL_OF names the directory, MB_JOURNAL the file that is written. One record a call, appended with one write(2)
 * after the call itself has succeeded: kind (1 byte), length of the name (4), offset (8), length of the data (8), name,
 * data; numbers in the machine's byte order. A process that is killed leaves whole records and at most one torn one.
 *
 * fsync and fdatasync are written down and not done: nothing here outlives the machine anyhow. Memory maps (SQLite's
 * -shm) are not seen.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { CREATE = 'c', WRITE = 'w', TRUNCATE = 't', SYNC = 's', SYNC_DIRECTORY = 'd', UNLINK = 'u', RENAME = 'r' };

#define FILES 4096

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char directory[PATH_MAX];
static size_t directory_length;
static int journal = -1;
static char *names[FILES]; /* by descriptor; "" is the directory itself */

static void set_up(void) __attribute__((constructor));

static void set_up(void) {
    const char *of = getenv("MB_JOURNAL_OF"), *file = getenv("MB_JOURNAL");
    if (!of || !file || strlen(of) >= sizeof directory) return;
    strcpy(directory, of);
    directory_length = strlen(directory);
    journal = syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

/* The name of a path in the directory; "" for the directory itself, NULL for what is elsewhere. */
static const char *inside(const char *path) {
    if (journal < 0 || !path || strncmp(path, directory, directory_length) != 0) return NULL;
    path += directory_length;
    if (*path == '\0') return "";
    return *path == '/' ? path + strspn(path, "/") : NULL;
}

/* Called with the lock held. */
static void record(char kind, const char *name, uint64_t offset, const void *data, uint64_t length) {
    char head[21];
    uint32_t name_length = strlen(name);
    head[0] = kind;
    memcpy(head + 1, &name_length, 4);
    memcpy(head + 5, &offset, 8);
    memcpy(head + 13, &length, 8);
    struct iovec parts[3] = {{head, sizeof head}, {(void *)name, name_length}, {(void *)data, data ? length : 0}};
    int before = errno;
    syscall(SYS_writev, journal, parts, 3);
    errno = before;
}

static const char *name_of(int fd) { return fd >= 0 && fd < FILES ? names[fd] : NULL; }

static int opened(int at, const char *path, int flags, mode_t mode) {
    const char *name = at == AT_FDCWD || (path && path[0] == '/') ? inside(path) : NULL;
    if (!name) return syscall(SYS_openat, at, path, flags, mode);
    pthread_mutex_lock(&lock);
    struct stat found;
    int is_new = *name && (flags & O_CREAT) && stat(path, &found) != 0;
    int fd = syscall(SYS_openat, at, path, flags, mode);
    if (fd >= 0 && fd < FILES) {
        free(names[fd]);
        names[fd] = strdup(name);
        if (is_new) record(CREATE, name, 0, NULL, 0);
        else if (*name && (flags & O_TRUNC)) record(TRUNCATE, name, 0, NULL, 0);
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

#define WITH_MODE(mode, flags, last)                     \
    mode_t mode = 0;                                     \
    if ((flags) & (O_CREAT | O_TMPFILE)) {               \
        va_list list;                                    \
        va_start(list, last);                            \
        mode = va_arg(list, mode_t);                     \
        va_end(list);                                    \
    }

int open(const char *path, int flags, ...) { WITH_MODE(mode, flags, flags) return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { WITH_MODE(mode, flags, flags) return opened(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { WITH_MODE(mode, flags, flags) return opened(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { WITH_MODE(mode, flags, flags) return opened(at, path, flags, mode); }

int close(int fd) {
    pthread_mutex_lock(&lock);
    if (fd >= 0 && fd < FILES) {
        free(names[fd]);
        names[fd] = NULL;
    }
    pthread_mutex_unlock(&lock);
    return syscall(SYS_close, fd);
}

static ssize_t written_at(int fd, const void *data, size_t length, off64_t offset) {
    if (!name_of(fd)) return syscall(SYS_pwrite64, fd, data, length, offset);
    pthread_mutex_lock(&lock);
    ssize_t done = syscall(SYS_pwrite64, fd, data, length, offset);
    if (done > 0) record(WRITE, names[fd], offset, data, done);
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) { return written_at(fd, data, length, offset); }
ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) { return written_at(fd, data, length, offset); }

ssize_t write(int fd, const void *data, size_t length) {
    if (!name_of(fd)) return syscall(SYS_write, fd, data, length);
    pthread_mutex_lock(&lock);
    ssize_t done = syscall(SYS_write, fd, data, length);
    if (done > 0) record(WRITE, names[fd], syscall(SYS_lseek, fd, 0, SEEK_CUR) - done, data, done);
    pthread_mutex_unlock(&lock);
    return done;
}

static int cut(int fd, off64_t length) {
    if (!name_of(fd)) return syscall(SYS_ftruncate, fd, length);
    pthread_mutex_lock(&lock);
    int failed = syscall(SYS_ftruncate, fd, length);
    if (!failed) record(TRUNCATE, names[fd], length, NULL, 0);
    pthread_mutex_unlock(&lock);
    return failed;
}

int ftruncate(int fd, off_t length) { return cut(fd, length); }
int ftruncate64(int fd, off64_t length) { return cut(fd, length); }

static int synced(int fd, long call) {
    const char *name = name_of(fd);
    if (!name) return syscall(call, fd);
    pthread_mutex_lock(&lock);
    record(*name ? SYNC : SYNC_DIRECTORY, name, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return 0;
}

int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

int unlink(const char *path) {
    const char *name = inside(path);
    pthread_mutex_lock(&lock);
    int failed = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    if (!failed && name) record(UNLINK, name, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return failed;
}

int rename(const char *from, const char *to) {
    const char *name = inside(from), *target = inside(to);
    pthread_mutex_lock(&lock);
    int failed = syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (!failed && name && target) record(RENAME, name, 0, target, strlen(target));
    pthread_mutex_unlock(&lock);
    return failed;
}
