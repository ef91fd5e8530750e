/* Lets the system calls of one process fail as they would on a broken or full disk, or where the system has run out of
 * something. Preloaded; what fails is written into the memory that the file FAULTS names shares with the suite (see
 * shim.py), so that a fault begins and ends while the process runs. Calls on files count only below FAULTS_FOLDER. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* As shim.py writes it. */
struct order {
    char what[32];         /* the call's name, "any" of those on files, or nothing */
    int32_t number;        /* errno */
    int32_t nth;           /* only the nth one from now; 0: every one */
    int64_t least;         /* of malloc: only what is at least so large */
    _Atomic int64_t met;   /* how many there were */
    _Atomic int64_t failed;
};

static struct order *order;
static char folder[512];
static size_t folder_length;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAULTS"), *where = getenv("FAULTS_FOLDER");
    int file = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    if (where != NULL)
        folder_length = (size_t)snprintf(folder, sizeof folder, "%s/", where);
    void *shared = mmap(NULL, sizeof *order, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (shared != MAP_FAILED)
        order = shared;
}

/* Whether this one is to fail. Leaves errno so, or as it was. */
static int fails(const char *what) {
    if (order == NULL || (strcmp(order->what, what) != 0 && strcmp(order->what, "any") != 0))
        return 0;
    int64_t met = atomic_fetch_add(&order->met, 1) + 1;
    if (order->nth > 0 && met != order->nth)
        return 0;
    atomic_fetch_add(&order->failed, 1);
    errno = order->number;
    return 1;
}

/* The order is about this very call, not about any. */
static int fails_by_name(const char *what) {
    return order != NULL && strcmp(order->what, what) == 0 && fails(what);
}

static int is_below(const char *path) {
    return folder_length > 0 && path != NULL &&
           (strncmp(path, folder, folder_length) == 0 || strncmp(path, folder, folder_length - 1) == 0);
}

static int is_file_below(int file) {
    char link[64], path[1024];
    int before = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = before;
    if (length < 0)
        return 0;
    path[length] = '\0';
    return is_below(path);
}

static int is_folder(int file) {
    struct stat found;
    return fstat(file, &found) == 0 && S_ISDIR(found.st_mode);
}

/* A pointer to the function behind this one. */
#define REAL(type, name)                                                                                               \
    static type (*real)();                                                                                             \
    if (real == NULL)                                                                                                  \
    *(void **)&real = dlsym(RTLD_NEXT, name)

int flock(int file, int operation) {
    REAL(int, "flock");
    return is_file_below(file) && fails("flock") ? -1 : real(file, operation);
}

int fsync(int file) {
    REAL(int, "fsync");
    return is_file_below(file) && fails(is_folder(file) ? "fsync_folder" : "fsync") ? -1 : real(file);
}

int rename(const char *from, const char *to) {
    REAL(int, "rename");
    if (is_below(to) && fails_by_name("rename_done")) {
        int number = errno;
        real(from, to);
        errno = number;
        return -1;
    }
    return is_below(to) && fails("rename") ? -1 : real(from, to);
}

ssize_t write(int file, const void *bytes, size_t length) {
    REAL(ssize_t, "write");
    static _Thread_local int is_second;
    if (length > 10 && order != NULL && strcmp(order->what, "write_half") == 0 && is_file_below(file)) {
        is_second = !is_second;
        if (is_second)
            return real(file, bytes, length / 2);
        return fails("write_half") ? -1 : real(file, bytes, length);
    }
    return is_file_below(file) && fails("write") ? -1 : real(file, bytes, length);
}

ssize_t read(int file, void *bytes, size_t length) {
    REAL(ssize_t, "read");
    if (is_file_below(file)) {
        if (fails_by_name("read_nothing"))
            return 0;
        if (length > 100 && fails_by_name("read_little"))
            return real(file, bytes, 100);
        if (fails("read"))
            return -1;
    }
    return real(file, bytes, length);
}

int unlink(const char *path) {
    REAL(int, "unlink");
    return is_below(path) && fails("unlink") ? -1 : real(path);
}

static int open_fails(const char *path, int flags) {
    if (!is_below(path))
        return 0;
    size_t length = strlen(path);
    const char *ending = length > 4 ? path + length - 4 : path;
    if (strcmp(ending, "lock") == 0 && fails_by_name("open_lock"))
        return 1;
    if (strcmp(ending, ".tmp") == 0 && fails_by_name("open_temporary"))
        return 1;
    if ((flags & O_ACCMODE) == O_RDONLY && fails_by_name("open_to_read"))
        return 1;
    return fails("open");
}

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                       \
        REAL(int, #name);                                                                                              \
        va_list more;                                                                                                  \
        va_start(more, flags);                                                                                         \
        int mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(more, int) : 0;                                       \
        va_end(more);                                                                                                  \
        return open_fails(path, flags) ? -1 : real(path, flags, mode);                                                 \
    }
OPEN(open)
OPEN(open64)

int close(int file) {
    REAL(int, "close");
    if (is_file_below(file) && fails("close")) {
        int number = errno;
        real(file);
        errno = number;
        return -1;
    }
    return real(file);
}

int statx(int at, const char *path, int flags, unsigned mask, struct statx *found) {
    REAL(int, "statx");
    int is_ours = (flags & AT_EMPTY_PATH) == 0 ? is_below(path) : is_file_below(at);
    if (is_ours && fails("statx"))
        return -1;
    int outcome = real(at, path, flags, mask, found);
    if (is_ours && outcome == 0 && fails_by_name("birth")) {
        found->stx_mask &= ~STATX_BTIME;
        memset(&found->stx_btime, 0, sizeof found->stx_btime);
    }
    return outcome;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument) {
    REAL(int, "pthread_create");
    return fails_by_name("pthread_create") ? errno : real(thread, attributes, body, argument);
}

/* api.test is this machine: a name to look up, for which the library starts a thread. */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    REAL(int, "getaddrinfo");
    return real(host != NULL && strcmp(host, "api.test") == 0 ? "127.0.0.1" : host, service, hints, found);
}

/* glibc's own, under the names by which it exports them beside the usual ones. */
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

static int memory_fails(size_t size) {
    return order != NULL && size >= (size_t)order->least && fails_by_name("malloc");
}

void *malloc(size_t size) { return memory_fails(size) ? NULL : __libc_malloc(size); }

void *calloc(size_t count, size_t size) { return memory_fails(count * size) ? NULL : __libc_calloc(count, size); }

void *realloc(void *before, size_t size) { return memory_fails(size) ? NULL : __libc_realloc(before, size); }
