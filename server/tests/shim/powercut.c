/* A library to preload: it stands between a program and the system calls that change files, and
 * keeps the shadow (shadow.c) up to date. Build: cc -std=c11 -shared -fPIC -O2 powercut.c shadow.c
 *
 * The originals are reached as system calls, not through the C library, so there is no order of
 * initialisation to get wrong; only fopen, which is no system call, is looked up.
 */
#define _GNU_SOURCE
#include "shadow.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define ALIAS(of) __attribute__((alias(#of)))

/* ---- opening ------------------------------------------------------------------------------ */

static int open_at(int directory, const char *path, int flags, mode_t mode)
{
    char mirror[PATH_MAX];
    bool writes = (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC));
    if (!writes || (flags & O_DIRECTORY) || !shadow_path(directory, path, mirror))
        return (int)syscall(SYS_openat, directory, path, flags, mode);
    shadow_lock_names();
    int fd = (int)syscall(SYS_openat, directory, path, flags, mode);
    if (fd >= 0)
        shadow_track(fd, mirror, flags & O_TRUNC, false);
    shadow_unlock_names();
    return fd;
}

/* The mode is there only with O_CREAT (or O_TMPFILE, which has a directory for its path). */
#define MODE(flags, last)                         \
    mode_t mode = 0;                              \
    if ((flags) & (O_CREAT | O_TMPFILE)) {        \
        va_list arguments;                        \
        va_start(arguments, last);                \
        mode = va_arg(arguments, mode_t);         \
        va_end(arguments);                        \
    }

int open(const char *path, int flags, ...)
{
    MODE(flags, flags)
    return open_at(AT_FDCWD, path, flags, mode);
}

int openat(int directory, const char *path, int flags, ...)
{
    MODE(flags, flags)
    return open_at(directory, path, flags, mode);
}

int creat(const char *path, mode_t mode)
{
    return open_at(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

int open64(const char *path, int flags, ...) ALIAS(open);
int openat64(int directory, const char *path, int flags, ...) ALIAS(openat);
int creat64(const char *path, mode_t mode) ALIAS(creat);

/* stdio writes inside the C library, past this shim: such a file is copied whole at each sync. */
FILE *fopen(const char *path, const char *mode)
{
    static FILE *(*original)(const char *, const char *);
    char mirror[PATH_MAX];
    if (original == NULL)
        *(void **)&original = dlsym(RTLD_NEXT, "fopen");
    bool reads = mode[0] == 'r' && strchr(mode, '+') == NULL;
    if (reads || !shadow_path(AT_FDCWD, path, mirror))
        return original(path, mode);
    shadow_lock_names();
    FILE *stream = original(path, mode);
    if (stream != NULL)
        shadow_track(fileno(stream), mirror, mode[0] == 'w', true);
    shadow_unlock_names();
    return stream;
}

FILE *fopen64(const char *path, const char *mode) ALIAS(fopen);

/* ---- writing ------------------------------------------------------------------------------ */

ssize_t write(int fd, const void *data, size_t bytes)
{
    struct span span = {.fd = fd, .offset = HERE, .bytes = bytes};
    if (!shadow_begin(&span))
        return -1;
    return shadow_end(&span, syscall(SYS_write, fd, data, span.bytes));
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset)
{
    struct span span = {.fd = fd, .offset = offset, .bytes = bytes};
    if (!shadow_begin(&span))
        return -1;
    return shadow_end(&span, syscall(SYS_pwrite64, fd, data, span.bytes, offset));
}

/* `offset` HERE: a plain writev. All or nothing when the room is short, to keep the list whole. */
static ssize_t write_list(int fd, const struct iovec *list, int count, off_t offset, int flags)
{
    size_t bytes = 0;
    for (int index = 0; index < count; index++)
        bytes += list[index].iov_len;
    struct span span = {.fd = fd, .offset = offset, .bytes = bytes};
    span.synced = (flags & (RWF_DSYNC | RWF_SYNC)) != 0;
    if (!shadow_begin(&span))
        return -1;
    if (span.bytes < bytes) {
        errno = ENOSPC;
        return shadow_end(&span, -1);
    }
    if (offset == HERE && flags == 0)
        return shadow_end(&span, syscall(SYS_writev, fd, list, count));
    /* The kernel takes the offset in two halves and ignores the upper one where longs have 64. */
    return shadow_end(&span, syscall(SYS_pwritev2, fd, list, count, offset, 0L, flags));
}

ssize_t writev(int fd, const struct iovec *list, int count)
{
    return write_list(fd, list, count, HERE, 0);
}

ssize_t pwritev(int fd, const struct iovec *list, int count, off_t offset)
{
    return write_list(fd, list, count, offset, 0);
}

ssize_t pwritev2(int fd, const struct iovec *list, int count, off_t offset, int flags)
{
    return write_list(fd, list, count, offset, flags);
}

ssize_t copy_file_range(int from, off_t *from_offset, int to, off_t *to_offset, size_t bytes,
                        unsigned flags)
{
    struct span span = {.fd = to, .offset = to_offset ? *to_offset : HERE, .bytes = bytes};
    if (!shadow_begin(&span))
        return -1;
    return shadow_end(&span, syscall(SYS_copy_file_range, from, from_offset, to, to_offset,
                                     span.bytes, flags));
}

ssize_t sendfile(int to, int from, off_t *offset, size_t bytes)
{
    struct span span = {.fd = to, .offset = HERE, .bytes = bytes};
    if (!shadow_begin(&span))
        return -1;
    return shadow_end(&span, syscall(SYS_sendfile, to, from, offset, span.bytes));
}

int ftruncate(int fd, off_t bytes)
{
    int result = (int)syscall(SYS_ftruncate, fd, bytes);
    if (result == 0)
        shadow_truncated(fd, bytes);
    return result;
}

int truncate(const char *path, off_t bytes)
{
    int fd = open_at(AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int result = ftruncate(fd, bytes);
    close(fd);
    return result;
}

int fallocate(int fd, int mode, off_t offset, off_t bytes)
{
    int result = (int)syscall(SYS_fallocate, fd, mode, offset, bytes);
    /* Mere reservations change at most the size, which each sync takes over anyway. */
    if (result == 0 && (mode & ~FALLOC_FL_KEEP_SIZE) != 0)
        shadow_scrambled(fd);
    return result;
}

ssize_t pwrite64(int fd, const void *data, size_t bytes, off_t offset) ALIAS(pwrite);
ssize_t pwritev64(int fd, const struct iovec *list, int count, off_t offset) ALIAS(pwritev);
ssize_t pwritev64v2(int fd, const struct iovec *list, int count, off_t at, int how) ALIAS(pwritev2);
ssize_t sendfile64(int to, int from, off_t *offset, size_t bytes) ALIAS(sendfile);
int ftruncate64(int fd, off_t bytes) ALIAS(ftruncate);
int truncate64(const char *path, off_t bytes) ALIAS(truncate);
int fallocate64(int fd, int mode, off_t offset, off_t bytes) ALIAS(fallocate);

/* ---- syncing ------------------------------------------------------------------------------ */

/* The real sync goes first, so that timing stays that of the disk. */
int fsync(int fd)
{
    return syscall(SYS_fsync, fd) == 0 ? shadow_synced(fd) : -1;
}

int fdatasync(int fd)
{
    return syscall(SYS_fdatasync, fd) == 0 ? shadow_synced(fd) : -1;
}

/* ---- names -------------------------------------------------------------------------------- */

/* Whether a name is the last one of a regular file, which `status` then describes. */
static bool is_last_name(int directory, const char *path, struct stat *status)
{
    return fstatat(directory, path, status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status->st_mode)
           && status->st_nlink == 1;
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    char from_mirror[PATH_MAX], to_mirror[PATH_MAX];
    bool from_inside = shadow_path(from_dir, from, from_mirror);
    bool to_inside = shadow_path(to_dir, to, to_mirror);
    if (!from_inside && !to_inside)
        return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
    if (from_inside != to_inside)
        shadow_die("follow a rename across the border of the directory:", from);
    struct stat moved, replaced;
    shadow_lock_names();
    bool replaces = (flags & RENAME_EXCHANGE) == 0 && is_last_name(to_dir, to, &replaced)
                    && !(is_last_name(from_dir, from, &moved) && moved.st_ino == replaced.st_ino);
    int result = (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
    if (result == 0) {
        if (replaces)
            shadow_forget(&replaced);
        if (syscall(SYS_renameat2, AT_FDCWD, from_mirror, AT_FDCWD, to_mirror, flags) != 0)
            shadow_die("rename the shadow", from_mirror);
    }
    shadow_unlock_names();
    return result;
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    return renameat2(from_dir, from, to_dir, to, 0);
}

int rename(const char *from, const char *to)
{
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlinkat(int directory, const char *path, int flags)
{
    char mirror[PATH_MAX];
    struct stat status;
    if (!shadow_path(directory, path, mirror))
        return (int)syscall(SYS_unlinkat, directory, path, flags);
    shadow_lock_names();
    bool last = is_last_name(directory, path, &status);
    int result = (int)syscall(SYS_unlinkat, directory, path, flags);
    if (result == 0) {
        if (last)
            shadow_forget(&status);
        /* What has no mirror (a symbolic link) needs no removal. */
        syscall(SYS_unlinkat, AT_FDCWD, mirror, flags);
    }
    shadow_unlock_names();
    return result;
}

int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

int rmdir(const char *path)
{
    return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    char from_mirror[PATH_MAX], to_mirror[PATH_MAX];
    bool from_inside = shadow_path(from_dir, from, from_mirror);
    bool to_inside = shadow_path(to_dir, to, to_mirror);
    if (!from_inside && !to_inside)
        return (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
    if (from_inside != to_inside)
        shadow_die("follow a link across the border of the directory:", from);
    shadow_lock_names();
    int result = (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
    if (result == 0 && syscall(SYS_linkat, AT_FDCWD, from_mirror, AT_FDCWD, to_mirror, 0) != 0)
        shadow_die("link the shadow", from_mirror);
    shadow_unlock_names();
    return result;
}

int link(const char *from, const char *to)
{
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int mkdirat(int directory, const char *path, mode_t mode)
{
    char mirror[PATH_MAX];
    if (!shadow_path(directory, path, mirror))
        return (int)syscall(SYS_mkdirat, directory, path, mode);
    shadow_lock_names();
    int result = (int)syscall(SYS_mkdirat, directory, path, mode);
    if (result == 0 && syscall(SYS_mkdirat, AT_FDCWD, mirror, mode) != 0 && errno != EEXIST)
        shadow_die("make the shadow", mirror);
    shadow_unlock_names();
    return result;
}

int mkdir(const char *path, mode_t mode)
{
    return mkdirat(AT_FDCWD, path, mode);
}
