/* The smallest program that writes files: it runs the operations given as arguments, in order, and
 * prints one line for each: "ok", or the name of the error. The last one may be "kill".
 *
 *   open NAME | append NAME | dsync NAME | truncate NAME   open (create) a file, make it current
 *   write TEXT | at OFFSET TEXT | list TEXT TEXT           write at the handle, at an offset, both
 *   sync | datasync | cut BYTES | reserve BYTES            on the current file
 *   stream NAME TEXT                                       fopen, fputs, fflush, fsync, fclose
 *   rename FROM TO | link FROM TO | unlink NAME | mkdir NAME | rmdir NAME
 *   many THREADS WRITES                                    threads append and sync one file each
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static int current = -1;
static int writes_each;

static int open_file(const char *name, int flags)
{
    current = open(name, O_RDWR | O_CREAT | flags, 0600);
    return current < 0 ? -1 : 0;
}

static int written(ssize_t result, size_t wanted)
{
    if (result >= 0 && (size_t)result < wanted)
        errno = EAGAIN; /* a short write */
    return result == (ssize_t)wanted ? 0 : -1;
}

static int stream(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");
    if (file == NULL || fputs(text, file) < 0 || fflush(file) != 0 || fsync(fileno(file)) != 0)
        return -1;
    return fclose(file);
}

static void *write_many(void *number)
{
    char name[32];
    snprintf(name, sizeof name, "thread-%zu", (size_t)number);
    int fd = open(name, O_WRONLY | O_CREAT | O_APPEND, 0600);
    for (int index = 0; fd >= 0 && index < writes_each; index++) {
        char line[32];
        int bytes = snprintf(line, sizeof line, "%08d\n", index);
        if (write(fd, line, (size_t)bytes) != bytes || fdatasync(fd) != 0)
            return number;
    }
    return fd < 0 || write(fd, "tail", 4) != 4 ? number : NULL;
}

static int many(int threads, int writes)
{
    pthread_t thread[64];
    void *failed;
    int result = 0;
    writes_each = writes;
    for (size_t index = 0; index < (size_t)threads; index++)
        pthread_create(&thread[index], NULL, write_many, (void *)(index + 1));
    for (int index = 0; index < threads; index++) {
        pthread_join(thread[index], &failed);
        result = failed == NULL ? result : -1;
    }
    return result;
}

/* Runs one operation; `*arg` is moved past its arguments. */
static int run(const char *operation, char ***arg)
{
#define IS(name) (strcmp(operation, name) == 0)
#define NEXT (*(*arg)++)
    if (IS("open")) return open_file(NEXT, 0);
    if (IS("append")) return open_file(NEXT, O_APPEND);
    if (IS("dsync")) return open_file(NEXT, O_DSYNC);
    if (IS("truncate")) return open_file(NEXT, O_TRUNC);
    if (IS("sync")) return fsync(current);
    if (IS("datasync")) return fdatasync(current);
    if (IS("cut")) return ftruncate(current, atol(NEXT));
    if (IS("reserve")) return fallocate(current, FALLOC_FL_KEEP_SIZE, 0, atol(NEXT));
    if (IS("unlink")) return unlink(NEXT);
    if (IS("mkdir")) return mkdir(NEXT, 0700);
    if (IS("rmdir")) return rmdir(NEXT);
    if (IS("kill")) return raise(SIGKILL);
    const char *first = NEXT;
    if (IS("write")) return written(write(current, first, strlen(first)), strlen(first));
    const char *second = NEXT;
    if (IS("at")) {
        size_t bytes = strlen(second);
        return written(pwrite(current, second, bytes, atol(first)), bytes);
    }
    if (IS("list")) {
        struct iovec list[2] = {{(void *)first, strlen(first)}, {(void *)second, strlen(second)}};
        return written(writev(current, list, 2), strlen(first) + strlen(second));
    }
    if (IS("stream")) return stream(first, second);
    if (IS("rename")) return rename(first, second);
    if (IS("link")) return link(first, second);
    if (IS("many")) return many(atoi(first), atoi(second));
    fprintf(stderr, "writer: unknown operation %s\n", operation);
    exit(2);
}

int main(int count, char **arguments)
{
    (void)count;
    for (char **arg = arguments + 1; *arg != NULL;) {
        const char *operation = *arg++;
        int result = run(operation, &arg);
        puts(result == 0 ? "ok" : strerrorname_np(errno));
        fflush(stdout);
    }
    return 0;
}
