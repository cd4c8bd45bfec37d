/*
 * Preloaded into the program (LD_PRELOAD), this gives it a clock that is set and a disk that is full: the wall
 * clock runs by as many nanoseconds ahead as the file CHAOS_CLOCK says, and while there is a file CHAOS_FULL,
 * nothing can be written to a file. What asks the kernel past the C library is spared. Time since the machine
 * began cannot be set, here as anywhere.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static const int64_t *ahead;

__attribute__((constructor)) static void begin(void) {
    int fd = open(getenv("CHAOS_CLOCK"), O_RDONLY | O_CLOEXEC);
    void *map = mmap(0, sizeof *ahead, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) abort();
    ahead = map;
    close(fd);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    if (syscall(SYS_clock_gettime, clock, time)) return -1;
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) {
        int64_t ns = time->tv_nsec + __atomic_load_n(ahead, __ATOMIC_RELAXED);
        time->tv_sec += ns / 1000000000;
        time->tv_nsec = ns % 1000000000;
        if (time->tv_nsec < 0) time->tv_sec--, time->tv_nsec += 1000000000;
    }
    return 0;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    (void)zone;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    *time = (struct timeval){ now.tv_sec, now.tv_nsec / 1000 };
    return 0;
}

time_t time(time_t *told) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (told) *told = now.tv_sec;
    return now.tv_sec;
}

static int is_full(int fd) {
    struct stat file;
    int before = errno;
    int is_spared = access(getenv("CHAOS_FULL"), F_OK) || fstat(fd, &file) || !S_ISREG(file.st_mode);
    errno = is_spared ? before : ENOSPC;
    return !is_spared;
}

ssize_t write(int fd, const void *data, size_t len) {
    return is_full(fd) ? -1 : syscall(SYS_write, fd, data, len);
}

ssize_t writev(int fd, const struct iovec *data, int n_data) {
    return is_full(fd) ? -1 : syscall(SYS_writev, fd, data, n_data);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at) {
    return is_full(fd) ? -1 : syscall(SYS_pwrite64, fd, data, len, at);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at) {
    return pwrite64(fd, data, len, at);
}

int fallocate64(int fd, int mode, off64_t at, off64_t len) {
    return is_full(fd) ? -1 : (int)syscall(SYS_fallocate, fd, mode, at, len);
}
