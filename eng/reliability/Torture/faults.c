/*
 * A library for LD_PRELOAD that stands between a process and its files: it fails the n-th call of a kind on a path under one folder, or writes down
 * all that the process does there. Calls elsewhere pass unchanged. While it watches, nothing is really synchronized: the record says what was.
 *
 *     cc -shared -fPIC -O1 -o faults.so faults.c -ldl
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* The order of FaultKind in FaultLibrary.cs. */
enum kind { OPEN, READ, WRITE, SYNC, RENAME, LINK, UNLINK, MKDIR, KINDS };

#define DESCRIPTORS 65536

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char folder[PATH_MAX];         /* empty: nothing is watched */
static size_t folder_length;
static int counts[KINDS];
static int failing_kind, failing_call, failing_error;
static char failed_path[PATH_MAX];
static char *paths[DESCRIPTORS];      /* of the open files under the folder */
static int record = -1;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* Watches a folder. call: which call of the kind fails, from 1; 0: none. */
void faults_begin(const char *path, int kind, int call, int error)
{
    pthread_mutex_lock(&lock);
    folder_length = strlen(path);
    memcpy(folder, path, folder_length + 1);
    memset(counts, 0, sizeof counts);
    failed_path[0] = 0;
    failing_kind = kind;
    failing_call = call;
    failing_error = error;
    pthread_mutex_unlock(&lock);
}

/* Writes what happens in the folder to a file outside it, from now on. */
void faults_record(const char *path)
{
    record = REAL(open64)(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

void faults_end(void)
{
    pthread_mutex_lock(&lock);
    folder_length = 0;
    if (record >= 0) REAL(close)(record);
    record = -1;
    pthread_mutex_unlock(&lock);
}

int faults_count(int kind) { return counts[kind]; }

/* The path of the call that failed; empty: none did. */
const char *faults_failed(void) { return failed_path; }

static int watched(const char *path)
{
    return folder_length > 0 && path && strncmp(path, folder, folder_length) == 0 && (path[folder_length] == '/' || path[folder_length] == 0);
}

static const char *path_of(int descriptor)
{
    const char *path = descriptor >= 0 && descriptor < DESCRIPTORS ? paths[descriptor] : NULL;
    return watched(path) ? path : NULL;
}

/* Counts a call; returns whether it is to fail. */
static int fails(enum kind kind, const char *path)
{
    int hit;
    if (!watched(path)) return 0;
    pthread_mutex_lock(&lock);
    hit = ++counts[kind] == failing_call && (int)kind == failing_kind;
    if (hit) snprintf(failed_path, sizeof failed_path, "%s", path);
    pthread_mutex_unlock(&lock);
    if (hit) errno = failing_error;
    return hit;
}

static void put(const void *bytes, size_t length)
{
    while (length > 0) {
        ssize_t done = REAL(write)(record, bytes, length);
        if (done <= 0) abort();
        bytes = (const char *)bytes + done;
        length -= (size_t)done;
    }
}

/* Writes down one event: "LETTER INODE OFFSET LENGTH", then a path or LENGTH bytes. The lock is held. */
static void note(char letter, uint64_t inode, int64_t offset, const void *bytes, size_t length)
{
    char line[96];
    int saved = errno;
    put(line, (size_t)snprintf(line, sizeof line, "%c %llu %lld %zu\n", letter, (unsigned long long)inode, (long long)offset, length));
    put(bytes, length);
    errno = saved;
}

static void note_path(char letter, uint64_t inode, const char *path) { note(letter, inode, 0, path, strlen(path)); }

static void note_paths(char letter, const char *from, const char *to)
{
    char both[2 * PATH_MAX];
    note(letter, 0, 0, both, (size_t)snprintf(both, sizeof both, "%s\n%s", from, to));
}

static uint64_t inode_of(int descriptor)
{
    struct stat64 status;
    return fstat64(descriptor, &status) == 0 ? status.st_ino : 0;
}

/* Holds the lock around a call and its note, so that the record has the order of the calls. */
#define NOTED(type, call, good, write_down) \
    ({ type result_; int noted_ = record >= 0; if (noted_) pthread_mutex_lock(&lock); result_ = (call); \
       if (noted_) { if (result_ good) { write_down; } pthread_mutex_unlock(&lock); } result_; })

static int opened(int descriptor, const char *path)
{
    if (descriptor >= 0 && descriptor < DESCRIPTORS && watched(path)) {
        free(paths[descriptor]);
        paths[descriptor] = strdup(path);
    }
    return descriptor;
}

static int open_watched(const char *path, int flags, mode_t mode)
{
    struct stat64 status;
    int existed;
    if (fails(OPEN, path)) return -1;
    if (!watched(path) || record < 0) return opened(REAL(open64)(path, flags, mode), path);
    existed = lstat64(path, &status) == 0;
    return opened(NOTED(int, REAL(open64)(path, flags, mode), >= 0,
        note_path(existed ? flags & O_TRUNC ? 'Z' : 'O' : 'C', inode_of(result_), path)), path);
}

#define OPEN_FUNCTION(name) \
    int name(const char *path, int flags, ...) \
    { \
        va_list rest; \
        mode_t mode; \
        va_start(rest, flags); \
        mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        return open_watched(path, flags, mode); \
    }
OPEN_FUNCTION(open)
OPEN_FUNCTION(open64)

DIR *opendir(const char *path) { return fails(OPEN, path) ? NULL : REAL(opendir)(path); }

int close(int descriptor)
{
    if (descriptor >= 0 && descriptor < DESCRIPTORS && paths[descriptor]) {
        free(paths[descriptor]);
        paths[descriptor] = NULL;
    }
    return REAL(close)(descriptor);
}

ssize_t read(int descriptor, void *bytes, size_t length)
{
    return fails(READ, path_of(descriptor)) ? -1 : REAL(read)(descriptor, bytes, length);
}

ssize_t pread64(int descriptor, void *bytes, size_t length, off64_t offset)
{
    return fails(READ, path_of(descriptor)) ? -1 : REAL(pread64)(descriptor, bytes, length, offset);
}

ssize_t preadv64(int descriptor, const struct iovec *parts, int count, off64_t offset)
{
    return fails(READ, path_of(descriptor)) ? -1 : REAL(preadv64)(descriptor, parts, count, offset);
}

/* A write that fails leaves half of its bytes. */
static ssize_t write_watched(int descriptor, const char *path, const void *bytes, size_t length, off64_t offset)
{
    if (fails(WRITE, path)) {
        int error = errno;
        if (REAL(pwrite64)(descriptor, bytes, length / 2, offset) < 0) abort();
        errno = error;
        return -1;
    }
    return NOTED(ssize_t, REAL(pwrite64)(descriptor, bytes, length, offset), > 0,
        note('W', inode_of(descriptor), offset, bytes, (size_t)result_));
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t length, off64_t offset)
{
    const char *path = path_of(descriptor);
    return path ? write_watched(descriptor, path, bytes, length, offset) : REAL(pwrite64)(descriptor, bytes, length, offset);
}

ssize_t write(int descriptor, const void *bytes, size_t length)
{
    const char *path = path_of(descriptor);
    ssize_t done;
    if (!path) return REAL(write)(descriptor, bytes, length);
    done = write_watched(descriptor, path, bytes, length, lseek64(descriptor, 0, SEEK_CUR));
    if (done > 0) lseek64(descriptor, done, SEEK_CUR);
    return done;
}

ssize_t pwritev64(int descriptor, const struct iovec *parts, int count, off64_t offset)
{
    const char *path = path_of(descriptor);
    ssize_t all = 0;
    if (!path) return REAL(pwritev64)(descriptor, parts, count, offset);
    for (int i = 0; i < count; i++) {
        ssize_t done = write_watched(descriptor, path, parts[i].iov_base, parts[i].iov_len, offset + all);
        if (done < 0) return -1;
        all += done;
    }
    return all;
}

int ftruncate64(int descriptor, off64_t length)
{
    const char *path = path_of(descriptor);
    if (fails(WRITE, path)) return -1;
    if (!path) return REAL(ftruncate64)(descriptor, length);
    return NOTED(int, REAL(ftruncate64)(descriptor, length), == 0, note('T', inode_of(descriptor), length, "", 0));
}

int fallocate64(int descriptor, int mode, off64_t offset, off64_t length)
{
    return fails(WRITE, path_of(descriptor)) ? -1 : REAL(fallocate64)(descriptor, mode, offset, length);
}

int fsync(int descriptor)
{
    const char *path = path_of(descriptor);
    if (fails(SYNC, path)) return -1;
    return path ? NOTED(int, 0, == 0, note_path('S', inode_of(descriptor), path)) : REAL(fsync)(descriptor);
}

int fdatasync(int descriptor) { return fsync(descriptor); }

int rename(const char *from, const char *to)
{
    if (fails(RENAME, watched(to) ? to : from)) return -1;
    if (!watched(to)) return REAL(rename)(from, to);
    return NOTED(int, REAL(rename)(from, to), == 0, note_paths('R', from, to));
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
    if (fails(RENAME, watched(to) ? to : from)) return -1;
    if (!watched(to)) return REAL(renameat2)(from_folder, from, to_folder, to, flags);
    return NOTED(int, REAL(renameat2)(from_folder, from, to_folder, to, flags), == 0,
        note_paths(flags & RENAME_EXCHANGE ? 'X' : 'R', from, to));
}

int link(const char *from, const char *to)
{
    if (fails(LINK, to)) return -1;
    if (!watched(to)) return REAL(link)(from, to);
    return NOTED(int, REAL(link)(from, to), == 0, note_paths('L', from, to));
}

int unlink(const char *path)
{
    if (fails(UNLINK, path)) return -1;
    if (!watched(path)) return REAL(unlink)(path);
    return NOTED(int, REAL(unlink)(path), == 0, note_path('U', 0, path));
}

int rmdir(const char *path)
{
    if (fails(UNLINK, path)) return -1;
    if (!watched(path)) return REAL(rmdir)(path);
    return NOTED(int, REAL(rmdir)(path), == 0, note_path('U', 0, path));
}

int mkdir(const char *path, mode_t mode)
{
    if (fails(MKDIR, path)) return -1;
    if (!watched(path)) return REAL(mkdir)(path, mode);
    return NOTED(int, REAL(mkdir)(path, mode), == 0, note_path('D', 0, path));
}
