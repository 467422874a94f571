/* The shadow directory: which bytes of which file have been synced, and the injected faults.
 *
 * Environment:
 *   MARTLET_POWERCUT_DIR              the directory that is watched; must exist
 *   MARTLET_POWERCUT_SHADOW           its shadow; must exist and start with the same content
 *   MARTLET_POWERCUT_NOSYNC           "1": syncs report success and copy nothing; a list such as
 *                                     ".log:MARK": only for files first opened under
 *                                     names that end so
 *   MARTLET_POWERCUT_FAIL_SYNC_AFTER  N: the Nth sync of a file fails with EIO, once
 *   MARTLET_POWERCUT_CAPACITY         bytes: writes that would grow the files beyond get ENOSPC
 *   MARTLET_POWERCUT_CAPACITY_FILE    a file with that number, read at each growing write
 *
 * All of it is pessimistic: only a successful sync, or a write through a handle opened with
 * O_DSYNC, makes bytes durable; sync_file_range does not, for it flushes neither sizes nor the
 * disk's cache. Names are the exception: they are durable at once. A file renamed into place
 * without a sync is therefore empty after the cut, which is the mistake worth finding.
 * Stores through mmap are not followed.
 */
#define _GNU_SOURCE
#include "shadow.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BUCKETS 1024
#define COPY_BYTES (64 * 1024)

/* Never freed: a sync may still hold one whose names are gone. */
struct file {
    dev_t device;
    ino_t inode;
    int source;  /* our own handle for reading: the program's may be write-only */
    int shadow;  /* -1 once the last name is gone */
    bool nosync; /* its syncs lie */
    bool unseen; /* written behind our back: every sync copies everything */
    /* All bytes written since the last sync lie in dirty_from..dirty_to. Those between them that
     * were not written are equal in the shadow, so one range is exact enough. */
    off_t dirty_from, dirty_to;
    pthread_mutex_t lock;
    struct file *next;
};

static bool ready;
static char root[PATH_MAX], mirror_root[PATH_MAX];
static size_t root_bytes;
static struct file *buckets[BUCKETS];
static pthread_rwlock_t table_lock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_mutex_t names_lock = PTHREAD_MUTEX_INITIALIZER;
static const char *nosync;
static unsigned long fail_sync_at;
static atomic_ulong syncs;
static const char *capacity_text, *capacity_file;
static atomic_llong used_bytes = -1;

_Noreturn void shadow_die(const char *what, const char *path)
{
    dprintf(STDERR_FILENO, "powercut: cannot %s %s: %s\n", what, path, strerror(errno));
    _exit(99);
}

__attribute__((constructor)) static void start(void)
{
    const char *directory = getenv("MARTLET_POWERCUT_DIR");
    const char *shadow = getenv("MARTLET_POWERCUT_SHADOW");
    if (directory == NULL || shadow == NULL)
        return;
    if (realpath(directory, root) == NULL)
        shadow_die("watch", directory);
    if (realpath(shadow, mirror_root) == NULL)
        shadow_die("keep a shadow in", shadow);
    root_bytes = strlen(root);
    nosync = getenv("MARTLET_POWERCUT_NOSYNC");
    capacity_text = getenv("MARTLET_POWERCUT_CAPACITY");
    capacity_file = getenv("MARTLET_POWERCUT_CAPACITY_FILE");
    const char *fail = getenv("MARTLET_POWERCUT_FAIL_SYNC_AFTER");
    fail_sync_at = fail == NULL ? 0 : strtoul(fail, NULL, 10);
    ready = true;
}

/* ---- names -------------------------------------------------------------------------------- */

bool shadow_path(int directory, const char *path, char mirror[PATH_MAX])
{
    if (!ready || path == NULL || path[0] == '\0')
        return false;
    size_t bytes = strlen(path);
    while (bytes > 1 && path[bytes - 1] == '/')
        bytes--;
    const char *slash = memrchr(path, '/', bytes);
    const char *name = slash == NULL ? path : slash + 1;
    int name_bytes = (int)(path + bytes - name);

    /* The last part may not exist yet, so only the directory that holds it is resolved. */
    char start[32] = "", holder[2 * PATH_MAX], resolved[PATH_MAX];
    if (path[0] != '/' && directory == AT_FDCWD)
        strcpy(start, ".");
    else if (path[0] != '/')
        snprintf(start, sizeof start, "/proc/self/fd/%d", directory);
    snprintf(holder, sizeof holder, "%s/%.*s", start, (int)(name - path), path);
    if (realpath(holder, resolved) == NULL)
        return false;
    if (strncmp(resolved, root, root_bytes) != 0)
        return false;
    const char *inside = resolved + root_bytes;
    if (inside[0] != '/' && inside[0] != '\0')
        return false;
    int length = snprintf(mirror, PATH_MAX, "%s%s/%.*s", mirror_root, inside, name_bytes, name);
    return length < PATH_MAX;
}

void shadow_lock_names(void)
{
    pthread_mutex_lock(&names_lock);
}

void shadow_unlock_names(void)
{
    pthread_mutex_unlock(&names_lock);
}

/* ---- files -------------------------------------------------------------------------------- */

static struct file **bucket(const struct stat *status)
{
    return &buckets[(status->st_ino ^ status->st_dev) % BUCKETS];
}

static struct file *find(const struct stat *status)
{
    pthread_rwlock_rdlock(&table_lock);
    struct file *file = *bucket(status);
    while (file && (file->inode != status->st_ino || file->device != status->st_dev))
        file = file->next;
    pthread_rwlock_unlock(&table_lock);
    return file;
}

/* The file behind a handle, locked; NULL for sockets, pipes and what is not in the directory. */
static struct file *take(int fd, struct stat *status)
{
    int saved = errno;
    struct file *file = NULL;
    if (ready && fstat(fd, status) == 0 && S_ISREG(status->st_mode))
        file = find(status);
    if (file != NULL)
        pthread_mutex_lock(&file->lock);
    errno = saved;
    return file;
}

/* Whether the list in MARTLET_POWERCUT_NOSYNC names this file. */
static bool is_nosync(const char *mirror)
{
    if (nosync == NULL || nosync[0] == '\0')
        return false;
    if (strcmp(nosync, "1") == 0)
        return true;
    size_t name = strlen(mirror);
    for (const char *from = nosync; *from != '\0';) {
        size_t bytes = strcspn(from, ":");
        if (bytes > 0 && bytes <= name && strncmp(mirror + name - bytes, from, bytes) == 0)
            return true;
        from += bytes + (from[bytes] == ':');
    }
    return false;
}

void shadow_track(int fd, const char *mirror, bool truncated, bool unseen)
{
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        return;
    int shadow = (int)syscall(SYS_openat, AT_FDCWD, mirror, O_RDWR | O_CREAT | O_CLOEXEC,
                              status.st_mode & 0777);
    if (shadow < 0 || (truncated && syscall(SYS_ftruncate, shadow, 0) != 0))
        shadow_die("open", mirror);
    struct file *file = find(&status);
    if (file != NULL) {
        pthread_mutex_lock(&file->lock);
        file->unseen |= unseen;
        pthread_mutex_unlock(&file->lock);
        close(shadow);
        return;
    }
    char handle[32];
    snprintf(handle, sizeof handle, "/proc/self/fd/%d", fd);
    int source = (int)syscall(SYS_openat, AT_FDCWD, handle, O_RDONLY | O_CLOEXEC, 0);
    file = calloc(1, sizeof *file);
    if (source < 0 || file == NULL)
        shadow_die("read back", mirror);
    file->device = status.st_dev;
    file->inode = status.st_ino;
    file->source = source;
    file->shadow = shadow;
    file->nosync = is_nosync(mirror);
    file->unseen = unseen;
    /* An earlier process may have left bytes that it never synced. */
    file->dirty_to = status.st_size;
    pthread_mutex_init(&file->lock, NULL);
    pthread_rwlock_wrlock(&table_lock);
    file->next = *bucket(&status);
    *bucket(&status) = file;
    pthread_rwlock_unlock(&table_lock);
}

void shadow_forget(const struct stat *status)
{
    pthread_rwlock_wrlock(&table_lock);
    struct file **link = bucket(status);
    while (*link && ((*link)->inode != status->st_ino || (*link)->device != status->st_dev))
        link = &(*link)->next;
    struct file *file = *link;
    if (file != NULL)
        *link = file->next;
    pthread_rwlock_unlock(&table_lock);
    if (file == NULL)
        return;
    pthread_mutex_lock(&file->lock);
    close(file->source);
    close(file->shadow);
    file->source = file->shadow = -1;
    pthread_mutex_unlock(&file->lock);
}

/* ---- bytes -------------------------------------------------------------------------------- */

static void copy(struct file *file, off_t from, off_t to)
{
    static _Thread_local char buffer[COPY_BYTES];
    while (from < to && file->shadow >= 0) {
        size_t wanted = to - from < COPY_BYTES ? (size_t)(to - from) : COPY_BYTES;
        ssize_t got = pread(file->source, buffer, wanted, from);
        if (got < 0)
            shadow_die("read", "a file to its shadow");
        if (got == 0)
            break; /* cut off since it was written */
        if (syscall(SYS_pwrite64, file->shadow, buffer, (size_t)got, from) != got)
            shadow_die("write", "a shadow");
        from += got;
    }
}

static void mark(struct file *file, off_t from, off_t to)
{
    if (file->dirty_from >= file->dirty_to) {
        file->dirty_from = from;
        file->dirty_to = to;
        return;
    }
    if (from < file->dirty_from)
        file->dirty_from = from;
    if (to > file->dirty_to)
        file->dirty_to = to;
}

/* The sizes of all files below `directory`. Only called when the capacity seems used up. */
static long long count_bytes(int parent, const char *name)
{
    long long bytes = 0;
    int fd = (int)syscall(SYS_openat, parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    if (directory == NULL)
        return 0; /* removed while we walked */
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        struct stat status;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (fstatat(fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (S_ISDIR(status.st_mode))
            bytes += count_bytes(fd, entry->d_name);
        else if (S_ISREG(status.st_mode))
            bytes += status.st_size;
    }
    closedir(directory);
    return bytes;
}

static long long capacity(void)
{
    char text[32] = "";
    if (capacity_file != NULL) {
        int fd = (int)syscall(SYS_openat, AT_FDCWD, capacity_file, O_RDONLY | O_CLOEXEC, 0);
        ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
        if (fd >= 0)
            close(fd);
        if (got > 0)
            return strtoll(text, NULL, 10);
    }
    return capacity_text == NULL ? LLONG_MAX : strtoll(capacity_text, NULL, 10);
}

/* How many of `bytes` at `offset` fit; a real file system fills up to its last byte, too. */
static size_t admit(off_t offset, size_t bytes, off_t size)
{
    long long growth = offset + (long long)bytes - size;
    if (growth <= 0 || (capacity_text == NULL && capacity_file == NULL))
        return bytes;
    long long limit = capacity();
    if (used_bytes < 0 || used_bytes + growth > limit)
        used_bytes = count_bytes(AT_FDCWD, root);
    long long excess = used_bytes + growth - limit;
    if (excess >= (long long)bytes)
        return 0;
    if (excess > 0) {
        growth -= excess;
        bytes -= (size_t)excess;
    }
    used_bytes += growth > 0 ? growth : 0;
    return bytes;
}

bool shadow_begin(struct span *span)
{
    struct stat status;
    span->file = take(span->fd, &status);
    if (span->file == NULL)
        return true;
    int flags = (int)syscall(SYS_fcntl, span->fd, F_GETFL);
    span->synced |= (flags & O_DSYNC) != 0;
    if (flags & O_APPEND)
        span->offset = status.st_size;
    else if (span->offset == HERE)
        span->offset = lseek(span->fd, 0, SEEK_CUR);
    size_t wanted = span->bytes;
    span->bytes = admit(span->offset, wanted, status.st_size);
    if (span->bytes > 0 || wanted == 0)
        return true;
    pthread_mutex_unlock(&span->file->lock);
    errno = ENOSPC;
    return false;
}

ssize_t shadow_end(struct span *span, ssize_t result)
{
    struct file *file = span->file;
    if (file == NULL)
        return result;
    int saved = errno;
    if (result > 0) {
        off_t end = span->offset + result;
        if (span->synced && !file->nosync)
            copy(file, span->offset, end);
        else
            mark(file, span->offset, end);
    }
    pthread_mutex_unlock(&file->lock);
    errno = saved;
    return result;
}

int shadow_synced(int fd)
{
    struct stat status;
    struct file *file = take(fd, &status);
    if (file == NULL)
        return 0;
    bool fails = atomic_fetch_add(&syncs, 1) + 1 == fail_sync_at;
    if (!fails && !file->nosync && file->shadow >= 0) {
        copy(file, file->unseen ? 0 : file->dirty_from, file->unseen ? LLONG_MAX : file->dirty_to);
        if (fstat(file->source, &status) != 0)
            shadow_die("measure", "a file");
        if (syscall(SYS_ftruncate, file->shadow, status.st_size) != 0)
            shadow_die("resize", "a shadow");
    }
    /* Also after a failure, as in the kernel: the pages count as clean, the next sync succeeds and
     * the bytes are lost all the same. */
    file->dirty_from = file->dirty_to = 0;
    pthread_mutex_unlock(&file->lock);
    if (fails)
        errno = EIO;
    return fails ? -1 : 0;
}

void shadow_truncated(int fd, off_t bytes)
{
    struct stat status;
    struct file *file = take(fd, &status);
    if (file == NULL)
        return;
    struct stat synced;
    if (file->shadow >= 0 && fstat(file->shadow, &synced) == 0 && synced.st_size > bytes
        && syscall(SYS_ftruncate, file->shadow, bytes) != 0)
        shadow_die("shorten", "a shadow");
    pthread_mutex_unlock(&file->lock);
}

void shadow_scrambled(int fd)
{
    struct stat status;
    struct file *file = take(fd, &status);
    if (file == NULL)
        return;
    mark(file, 0, status.st_size);
    pthread_mutex_unlock(&file->lock);
}
