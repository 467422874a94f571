/* What a power cut would leave: a copy of a directory that holds exactly the synced bytes. */
#ifndef MARTLET_SHADOW_H
#define MARTLET_SHADOW_H

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Offset of a write that goes where the handle stands. */
#define HERE ((off_t)-1)

/* A file of the directory, found by its inode: handles may be duplicated, names may change. */
struct file;

/* One write on its way: taken by `shadow_begin`, closed by `shadow_end`. */
struct span {
    int fd;
    off_t offset;      /* first byte, or HERE */
    size_t bytes;      /* `shadow_begin` lowers it to what still fits */
    bool synced;       /* the write itself asks to be durable (RWF_DSYNC) */
    struct file *file; /* NULL: not a file of the directory */
};

/* Where `path` is mirrored; false if it is not inside the directory. */
bool shadow_path(int directory, const char *path, char mirror[PATH_MAX]);

/* Names change in the directory and in the shadow in the same order: both under this lock. */
void shadow_lock_names(void);
void shadow_unlock_names(void);

/* A file was opened for writing: its mirror exists from now on, empty until the first sync.
 * `unseen`: the writes do not pass through the shim (stdio), so each sync copies everything. */
void shadow_track(int fd, const char *mirror, bool truncated, bool unseen);

/* The last name of an inode is gone: its number may be given to another file. */
void shadow_forget(const struct stat *status);

/* Takes the file of `span.fd`, if it is ours, until `shadow_end`. False: no room (ENOSPC). */
bool shadow_begin(struct span *span);

/* Notes what the write changed; returns `result` and leaves errno as the write set it. */
ssize_t shadow_end(struct span *span, ssize_t result);

/* After a successful sync of `fd`: what the caller must return, errno set. */
int shadow_synced(int fd);

/* A shrinking reaches the shadow at once, growth with the next sync. */
void shadow_truncated(int fd, off_t bytes);

/* The content changed in a way that is not followed: the next sync copies everything. */
void shadow_scrambled(int fd);

/* Says why the shim cannot keep its promise and ends the process: a silent gap proves nothing. */
_Noreturn void shadow_die(const char *what, const char *path);

#endif
