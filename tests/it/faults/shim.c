/*
 * Stands between a process and its disk, for the fault suites: LD_PRELOAD puts it in front of libc.
 *
 * Environment
 *   FAULTS_DIR      the directory that is watched; everything else passes through untouched
 *   FAULTS_CONTROL  a file of u64s, shared with the test, which may change it at any time (enum word)
 *   FAULTS_TRACE    where calls are noted with their data, in the one order in which they took effect; absent: nowhere
 *   FAULTS_ACKS     a file whose writes are noted as acknowledgements: what the process has promised to somebody
 *
 * A call under the directory is counted, and may fail, be cut short, be the last one of the process, or take its time. All are
 * made one after the other, so that the trace has a total order.
 *
 * Memory-mapped files: a store to them is no call. Before each traced call, what has changed since the last one is noted
 * as written and not synced, which is all that a system promises of it.
 *
 * A record of the trace: struct record, then the path, then the data.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum op {
    OPEN = 0, CREATE = 1, WRITE = 2, TRUNCATE = 3, ALLOCATE = 4, SYNC = 5, RANGE = 6, RENAME = 7, UNLINK = 8, MKDIR = 9, RMDIR = 10,
    /* In the trace only. */
    ACK = 11, MAPPED = 12, SYNC_FAILED = 13,
    LINK = 14
};

enum word { CALLS, MASK, FAIL_AT, FAIL_COUNT, FAIL_KIND, DELAY_US, FULL, FAILED, WORDS };
enum kind { KIND_EIO = 1, KIND_ENOSPC = 2, KIND_SHORT = 3, KIND_KILL = 4, KIND_TORN_KILL = 5, KIND_EROFS = 6 };

struct record {
    uint32_t op, path_bytes;
    uint64_t handle, offset, data_bytes;
};

enum { SECTOR = 512, PAGE = 4096, FDS = 1 << 16, MAPPINGS = 64 };

static char directory[PATH_MAX], acks[PATH_MAX];
static size_t directory_bytes;
static volatile uint64_t *control;
static int trace = -1;
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;

/* What a descriptor stands for: 0 nothing of interest, else a handle that no other opening has. */
static uint64_t handles[FDS];
static uint64_t next_handle = 1;
static const uint64_t ACK_HANDLE = UINT64_MAX;

static struct mapping {
    unsigned char *at, *shadow;
    size_t bytes;
    uint64_t handle;
} mappings[MAPPINGS];

#define REAL(name) \
    static __typeof__(name) *real; \
    if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static ssize_t raw_write(int fd, const void *data, size_t bytes) {
    REAL(write);
    return real(fd, data, bytes);
}

static void give_up(const char *what) {
    dprintf(2, "the shim of the fault suites does not know: %s\n", what);
    abort();
}

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAULTS_DIR"), *shared = getenv("FAULTS_CONTROL");
    if (!path || !shared) return;
    REAL(open);
    int fd = real(shared, O_RDWR | O_CLOEXEC);
    void *words = fd < 0 ? MAP_FAILED : mmap(NULL, WORDS * 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (words == MAP_FAILED) give_up("a control file that cannot be mapped");
    if (getenv("FAULTS_ACKS")) snprintf(acks, sizeof acks, "%s", getenv("FAULTS_ACKS"));
    if (getenv("FAULTS_TRACE")) {
        trace = real(getenv("FAULTS_TRACE"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (trace < 0) give_up("a trace that cannot be written");
    }
    snprintf(directory, sizeof directory, "%s", path);
    /* Handles of several processes may stand in one trace. */
    next_handle = ((uint64_t)getpid() << 32) + 1;
    control = words;
    directory_bytes = strlen(directory);
}

static int is_inside(const char *path) {
    return directory_bytes && strncmp(path, directory, directory_bytes) == 0
        && (path[directory_bytes] == '/' || path[directory_bytes] == 0);
}

/* The path as from the root. */
static void resolve(int at, const char *path, char *out) {
    char base[PATH_MAX] = "";
    if (path[0] == '/') {
        snprintf(out, PATH_MAX, "%s", path);
        return;
    }
    if (at == AT_FDCWD) {
        if (!getcwd(base, sizeof base)) base[0] = 0;
    } else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", at);
        ssize_t bytes = readlink(link, base, sizeof base - 1);
        base[bytes < 0 ? 0 : bytes] = 0;
    }
    if (snprintf(out, PATH_MAX, "%s/%s", base, path) >= PATH_MAX) give_up("a path of this length");
}

static const char *relative(const char *path) {
    return path[directory_bytes] ? path + directory_bytes + 1 : "";
}

static void note(enum op op, uint64_t handle, uint64_t offset, const char *path, const void *data, size_t bytes) {
    if (trace < 0) return;
    struct record record = {op, path ? strlen(path) : 0, handle, offset, bytes};
    struct iovec parts[3] = {{&record, sizeof record}, {(void *)path, record.path_bytes}, {(void *)data, bytes}};
    REAL(writev);
    if (real(trace, parts, 3) != (ssize_t)(sizeof record + record.path_bytes + bytes)) give_up("a trace that cannot be written to");
}

static void note_changed(struct mapping *mapping) {
    for (size_t page = 0; page < mapping->bytes; page += PAGE) {
        size_t end = page + PAGE < mapping->bytes ? page + PAGE : mapping->bytes;
        if (memcmp(mapping->at + page, mapping->shadow + page, end - page) == 0) continue;
        for (size_t at = page; at < end; at += SECTOR) {
            size_t bytes = at + SECTOR < end ? SECTOR : end - at;
            if (memcmp(mapping->at + at, mapping->shadow + at, bytes) == 0) continue;
            memcpy(mapping->shadow + at, mapping->at + at, bytes);
            note(MAPPED, mapping->handle, at, NULL, mapping->shadow + at, bytes);
        }
    }
}

static void note_mapped(void) {
    for (int i = 0; trace >= 0 && i < MAPPINGS; i++)
        if (mappings[i].at) note_changed(&mappings[i]);
}

__attribute__((noreturn)) static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* What this call is to suffer: 0 nothing. Called in order. */
static enum kind counted(enum op op) {
    note_mapped();
    if (!(control[MASK] >> op & 1)) return 0;
    uint64_t call = ++control[CALLS], first = control[FAIL_AT];
    if (!first || call < first || call - first >= control[FAIL_COUNT]) return 0;
    control[FAILED]++;
    if (control[FAIL_KIND] == KIND_KILL) die();
    return control[FAIL_KIND];
}

/* The same for a call that can only succeed or fail: 0, or an error. */
static int refused(enum op op) {
    switch (counted(op)) {
    case KIND_EIO: return EIO;
    case KIND_EROFS: return EROFS;
    case KIND_ENOSPC: return op == SYNC || op == RANGE ? EIO : op == UNLINK || op == RMDIR ? 0 : ENOSPC;
    case KIND_TORN_KILL: die();
    default: return 0;
    }
}

/* In small steps: a test that takes the delay away is not to wait for its end. */
static void take_time(void) {
    for (uint64_t us = 0; us < control[DELAY_US]; us += 1000) usleep(1000);
}

static int fail(int error) {
    pthread_mutex_unlock(&order);
    errno = error;
    return -1;
}

static int done(int result) {
    int error = errno;
    pthread_mutex_unlock(&order);
    errno = error;
    return result;
}

static uint64_t handle_of(int fd) { return fd >= 0 && fd < FDS ? handles[fd] : 0; }

static void set_handle(int fd, uint64_t handle) {
    if (fd >= FDS) give_up("a descriptor of this number");
    if (fd >= 0) handles[fd] = handle;
}

/* ---- opening and closing ---- */

typedef int opener(int, const char *, int, ...);

static int open_at(opener *real, int at, const char *path, int flags, mode_t mode) {
    char full[PATH_MAX];
    struct stat stat;
    if (directory_bytes) resolve(at, path, full);
    if (acks[0] && directory_bytes && strcmp(full, acks) == 0) {
        int fd = real(at, path, flags, mode);
        set_handle(fd, ACK_HANDLE);
        return fd;
    }
    if (!directory_bytes || !is_inside(full)) {
        int fd = real(at, path, flags, mode);
        set_handle(fd, 0);
        return fd;
    }
    pthread_mutex_lock(&order);
    int creates = (flags & O_CREAT) && lstat(full, &stat) != 0;
    int error = creates ? refused(CREATE) : 0;
    if (error) return fail(error);
    int fd = real(at, path, flags, mode);
    if (fd >= 0) {
        set_handle(fd, next_handle++);
        note(creates ? CREATE : OPEN, handles[fd], 0, relative(full), NULL, 0);
        if (flags & O_TRUNC) note(TRUNCATE, handles[fd], 0, NULL, NULL, 0);
    }
    return done(fd);
}

static mode_t mode_of(int flags, va_list rest) { return flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; }

#define OPENER(name, at_name) \
    int name(const char *path, int flags, ...) { \
        REAL(at_name); \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = mode_of(flags, rest); \
        va_end(rest); \
        return open_at((opener *)real, AT_FDCWD, path, flags, mode); \
    } \
    int at_name(int at, const char *path, int flags, ...) { \
        REAL(at_name); \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = mode_of(flags, rest); \
        va_end(rest); \
        return open_at((opener *)real, at, path, flags, mode); \
    }
OPENER(open, openat)
OPENER(open64, openat64)

int close(int fd) {
    REAL(close);
    set_handle(fd, 0);
    return real(fd);
}

int closedir(DIR *stream) {
    REAL(closedir);
    set_handle(dirfd(stream), 0);
    return real(stream);
}

#define DUPLICATOR(name) \
    int name(int fd, int command, ...) { \
        REAL(name); \
        va_list rest; \
        va_start(rest, command); \
        void *argument = va_arg(rest, void *); \
        va_end(rest); \
        int result = real(fd, command, argument); \
        if (command == F_DUPFD || command == F_DUPFD_CLOEXEC) set_handle(result, handle_of(fd)); \
        return result; \
    }
DUPLICATOR(fcntl)
DUPLICATOR(fcntl64)

/* ---- writing ---- */

static ssize_t write_at(int fd, const void *data, size_t bytes, off64_t offset, int positioned) {
    REAL(pwrite64);
    uint64_t handle = handle_of(fd);
    take_time();
    pthread_mutex_lock(&order);
    if (!positioned) {
        int flags = fcntl(fd, F_GETFL);
        offset = lseek(fd, 0, flags & O_APPEND ? SEEK_END : SEEK_CUR);
    }
    struct stat stat;
    int grows = fstat(fd, &stat) == 0 && offset + (off64_t)bytes > stat.st_size;
    enum kind kind = counted(WRITE);
    if (kind == KIND_EIO) return fail(EIO);
    if (kind == KIND_EROFS) return fail(EROFS);
    if (kind == KIND_ENOSPC || (control[FULL] && grows)) return fail(ENOSPC);
    if (kind && bytes > 1) bytes /= 2;
    ssize_t written = positioned ? real(fd, data, bytes, offset) : raw_write(fd, data, bytes);
    if (written > 0) note(WRITE, handle, offset, NULL, data, written);
    if (kind == KIND_TORN_KILL) die();
    int error = errno;
    pthread_mutex_unlock(&order);
    errno = error;
    return written;
}

ssize_t write(int fd, const void *data, size_t bytes) {
    uint64_t handle = handle_of(fd);
    if (!handle) return raw_write(fd, data, bytes);
    if (handle != ACK_HANDLE) return write_at(fd, data, bytes, 0, 0);
    pthread_mutex_lock(&order);
    note_mapped();
    note(ACK, 0, 0, NULL, data, bytes);
    ssize_t written = raw_write(fd, data, bytes);
    return done(written);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(writev);
    if (!handle_of(fd)) return real(fd, parts, count);
    /* A write may be short. */
    for (int i = 0; i < count; i++)
        if (parts[i].iov_len) return write(fd, parts[i].iov_base, parts[i].iov_len);
    return 0;
}

#define POSITIONED(name, offset_type) \
    ssize_t name(int fd, const void *data, size_t bytes, offset_type offset) { \
        REAL(name); \
        return handle_of(fd) ? write_at(fd, data, bytes, offset, 1) : real(fd, data, bytes, offset); \
    }
POSITIONED(pwrite, off_t)
POSITIONED(pwrite64, off64_t)

/* The standard library copies by other means where these do not work. */
ssize_t copy_file_range(int in, off64_t *in_at, int out, off64_t *out_at, size_t bytes, unsigned flags) {
    REAL(copy_file_range);
    if (!handle_of(out)) return real(in, in_at, out, out_at, bytes, flags);
    errno = ENOSYS;
    return -1;
}

#define SENDER(name, offset_type) \
    ssize_t name(int out, int in, offset_type *offset, size_t bytes) { \
        static ssize_t (*real)(int, int, offset_type *, size_t); \
        if (!real) real = (ssize_t (*)(int, int, offset_type *, size_t))dlsym(RTLD_NEXT, #name); \
        if (!handle_of(out)) return real(out, in, offset, bytes); \
        errno = EINVAL; \
        return -1; \
    }
SENDER(sendfile, off_t)
SENDER(sendfile64, off64_t)

#define TRUNCATER(name, offset_type) \
    int name(int fd, offset_type bytes) { \
        REAL(name); \
        if (!handle_of(fd)) return real(fd, bytes); \
        take_time(); \
        pthread_mutex_lock(&order); \
        int error = refused(TRUNCATE); \
        if (error) return fail(error); \
        int result = real(fd, bytes); \
        if (result == 0) note(TRUNCATE, handle_of(fd), bytes, NULL, NULL, 0); \
        return done(result); \
    }
TRUNCATER(ftruncate, off_t)
TRUNCATER(ftruncate64, off64_t)

#define ALLOCATER(name, offset_type) \
    int name(int fd, int mode, offset_type offset, offset_type bytes) { \
        REAL(name); \
        if (!handle_of(fd)) return real(fd, mode, offset, bytes); \
        if (mode) give_up("fallocate of this mode"); \
        take_time(); \
        pthread_mutex_lock(&order); \
        int error = refused(ALLOCATE); \
        if (!error && control[FULL]) error = ENOSPC; \
        if (error) return fail(error); \
        int result = real(fd, mode, offset, bytes); \
        if (result == 0) note(ALLOCATE, handle_of(fd), offset + bytes, NULL, NULL, 0); \
        return done(result); \
    }
ALLOCATER(fallocate, off_t)
ALLOCATER(fallocate64, off64_t)

/* ---- syncing ---- */

static int sync_by(int (*real)(int), int fd) {
    uint64_t handle = handle_of(fd);
    if (!handle || handle == ACK_HANDLE) return real(fd);
    take_time();
    pthread_mutex_lock(&order);
    int error = refused(SYNC);
    if (error) {
        note(SYNC_FAILED, handle, 0, NULL, NULL, 0);
        return fail(error);
    }
    int result = real(fd);
    note(result == 0 ? SYNC : SYNC_FAILED, handle, 0, NULL, NULL, 0);
    return done(result);
}

int fsync(int fd) {
    REAL(fsync);
    return sync_by(real, fd);
}

int fdatasync(int fd) {
    REAL(fdatasync);
    return sync_by(real, fd);
}

int sync_file_range(int fd, off64_t offset, off64_t bytes, unsigned flags) {
    REAL(sync_file_range);
    if (!handle_of(fd)) return real(fd, offset, bytes, flags);
    take_time();
    pthread_mutex_lock(&order);
    int error = refused(RANGE);
    if (error) return fail(error);
    /* Promises nothing after a loss of power: not noted. */
    return done(real(fd, offset, bytes, flags));
}

int msync(void *at, size_t bytes, int flags) {
    REAL(msync);
    struct mapping *mapping = NULL;
    pthread_mutex_lock(&order);
    for (int i = 0; (flags & MS_SYNC) && i < MAPPINGS; i++)
        if (mappings[i].at == at && bytes >= mappings[i].bytes) mapping = &mappings[i];
    if (!mapping || !at) return done(real(at, bytes, flags));
    int error = refused(SYNC);
    if (error) {
        note(SYNC_FAILED, mapping->handle, 0, NULL, NULL, 0);
        return fail(error);
    }
    int result = real(at, bytes, flags);
    note(result == 0 ? SYNC : SYNC_FAILED, mapping->handle, 0, NULL, NULL, 0);
    return done(result);
}

/* ---- mapping ---- */

static void *map_by(void *(*real)(void *, size_t, int, int, int, off64_t), void *hint, size_t bytes, int protection, int flags, int fd, off64_t offset) {
    void *at = real(hint, bytes, protection, flags, fd, offset);
    uint64_t handle = fd >= 0 ? handle_of(fd) : 0;
    if (at == MAP_FAILED || !handle || trace < 0 || !(flags & MAP_SHARED) || !(protection & PROT_WRITE)) return at;
    if (offset) give_up("a mapping that does not begin with its file");
    pthread_mutex_lock(&order);
    struct stat stat;
    if (fstat(fd, &stat) != 0) give_up("a mapping of no file");
    /* Who maps an empty file looks at none of it, and neither can we. */
    if (stat.st_size == 0) {
        pthread_mutex_unlock(&order);
        return at;
    }
    if (stat.st_size < (off_t)bytes) give_up("a mapping that is longer than its file");
    note(ALLOCATE, handle, stat.st_size, NULL, NULL, 0);
    for (int i = 0; i < MAPPINGS; i++) {
        if (mappings[i].at) continue;
        /* Zeros: whatever the file holds is noted with the next call. */
        mappings[i] = (struct mapping){at, calloc(1, bytes), bytes, handle};
        pthread_mutex_unlock(&order);
        return at;
    }
    give_up("so many mappings");
    return at;
}

void *mmap(void *hint, size_t bytes, int protection, int flags, int fd, off_t offset) {
    REAL(mmap);
    return map_by((void *(*)(void *, size_t, int, int, int, off64_t))real, hint, bytes, protection, flags, fd, offset);
}

void *mmap64(void *hint, size_t bytes, int protection, int flags, int fd, off64_t offset) {
    REAL(mmap64);
    return map_by(real, hint, bytes, protection, flags, fd, offset);
}

int munmap(void *at, size_t bytes) {
    REAL(munmap);
    pthread_mutex_lock(&order);
    for (int i = 0; i < MAPPINGS; i++) {
        if (!mappings[i].at || mappings[i].at != at) continue;
        note_changed(&mappings[i]);
        free(mappings[i].shadow);
        mappings[i].at = NULL;
    }
    return done(real(at, bytes));
}

/* ---- names ---- */

static int rename_by(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
    REAL(renameat2);
    char full_from[PATH_MAX], full_to[PATH_MAX];
    if (!directory_bytes) return real(from_at, from, to_at, to, flags);
    resolve(from_at, from, full_from);
    resolve(to_at, to, full_to);
    if (!is_inside(full_from) && !is_inside(full_to)) return real(from_at, from, to_at, to, flags);
    if (is_inside(full_from) != is_inside(full_to)) give_up("a rename into or out of the directory");
    take_time();
    pthread_mutex_lock(&order);
    int error = refused(RENAME);
    if (error) return fail(error);
    int result = real(from_at, from, to_at, to, flags);
    if (result == 0) note(RENAME, 0, 0, relative(full_from), relative(full_to), strlen(relative(full_to)));
    return done(result);
}

int rename(const char *from, const char *to) { return rename_by(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int from_at, const char *from, int to_at, const char *to) { return rename_by(from_at, from, to_at, to, 0); }
int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
    return rename_by(from_at, from, to_at, to, flags);
}

static int remove_by(int at, const char *path, int flags) {
    REAL(unlinkat);
    char full[PATH_MAX];
    if (directory_bytes) resolve(at, path, full);
    if (!directory_bytes || !is_inside(full)) return real(at, path, flags);
    enum op op = flags & AT_REMOVEDIR ? RMDIR : UNLINK;
    pthread_mutex_lock(&order);
    int error = refused(op);
    if (error) return fail(error);
    int result = real(at, path, flags);
    if (result == 0) note(op, 0, 0, relative(full), NULL, 0);
    return done(result);
}

int unlink(const char *path) { return remove_by(AT_FDCWD, path, 0); }
int unlinkat(int at, const char *path, int flags) { return remove_by(at, path, flags); }
int rmdir(const char *path) { return remove_by(AT_FDCWD, path, AT_REMOVEDIR); }

static int make_directory(int at, const char *path, mode_t mode) {
    REAL(mkdirat);
    char full[PATH_MAX];
    struct stat stat;
    if (directory_bytes) resolve(at, path, full);
    if (!directory_bytes || !is_inside(full)) return real(at, path, mode);
    pthread_mutex_lock(&order);
    if (lstat(full, &stat) == 0) return fail(EEXIST);
    int error = refused(MKDIR);
    if (error) return fail(error);
    int result = real(at, path, mode);
    if (result == 0) note(MKDIR, 0, 0, relative(full), NULL, 0);
    return done(result);
}

int mkdir(const char *path, mode_t mode) { return make_directory(AT_FDCWD, path, mode); }
int mkdirat(int at, const char *path, mode_t mode) { return make_directory(at, path, mode); }

int linkat(int from_at, const char *from, int to_at, const char *to, int flags) {
    REAL(linkat);
    char full_from[PATH_MAX], full_to[PATH_MAX];
    if (!directory_bytes) return real(from_at, from, to_at, to, flags);
    resolve(from_at, from, full_from);
    resolve(to_at, to, full_to);
    if (!is_inside(full_from) && !is_inside(full_to)) return real(from_at, from, to_at, to, flags);
    if (is_inside(full_from) != is_inside(full_to)) give_up("a link into or out of the directory");
    pthread_mutex_lock(&order);
    int error = refused(LINK);
    if (error) return fail(error);
    int result = real(from_at, from, to_at, to, flags);
    if (result == 0) note(LINK, 0, 0, relative(full_from), relative(full_to), strlen(relative(full_to)));
    return done(result);
}

int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }
