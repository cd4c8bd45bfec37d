/*
 * Preloaded into the program (LD_PRELOAD), this writes down in one order what it does to the files below
 * POWER_FOLDER, what it sends and receives, and what it says on stdout and stderr, into POWER_LOG.
 *
 * It catches system calls, not functions of the C library: Rust's `rustix` and `tempfile` call the kernel past
 * it. A seccomp filter makes the kernel raise SIGSYS for them; the handler logs the call, makes it, and logs
 * what it gave. `record.rs` reads the log.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

/* `power_call(number, six arguments)`: the one place whose calls the filter lets pass. */
long power_call(long, long, long, long, long, long, long);
extern const char power_called[];
#if defined(__x86_64__)
__asm__(".text\n.globl power_call\n.hidden power_called\n.globl power_called\npower_call:\n"
        "mov %rdi,%rax\nmov %rsi,%rdi\nmov %rdx,%rsi\nmov %rcx,%rdx\nmov %r8,%r10\nmov %r9,%r8\n"
        "mov 8(%rsp),%r9\nsyscall\npower_called:\nret\n");
#define ARCH AUDIT_ARCH_X86_64
#define ARGUMENTS(r) { r[REG_RDI], r[REG_RSI], r[REG_RDX], r[REG_R10], r[REG_R8], r[REG_R9] }
#define REGISTERS(context) (context)->uc_mcontext.gregs
#define RESULT REG_RAX
#elif defined(__aarch64__)
__asm__(".text\n.globl power_call\n.hidden power_called\n.globl power_called\npower_call:\n"
        "mov x8,x0\nmov x0,x1\nmov x1,x2\nmov x2,x3\nmov x3,x4\nmov x4,x5\nmov x5,x6\nsvc 0\npower_called:\nret\n");
#define ARCH AUDIT_ARCH_AARCH64
#define ARGUMENTS(r) { r[0], r[1], r[2], r[3], r[4], r[5] }
#define REGISTERS(context) (context)->uc_mcontext.regs
#define RESULT 0
#else
#error "no system calls are known of this machine"
#endif

#define LOG_FD 1000
#define CALL(nr, a, b, c, d) power_call(nr, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

/* As `record.rs` reads them. */
enum kind { DONE, WRITE, TRUNCATE, SYNC, OPEN, RENAME, UNLINK, MKDIR, SEND, RECEIVE, SAY, MAP, OTHER };

struct head {
    uint64_t op, ino;
    int64_t number; /* An offset, a length, flags, or what a call gave. */
    uint32_t kind, path_len, to_len, data_len;
};

static uint64_t last_op;
static char folder[4096];

/* One call that appends: the order of the log is the order of these. */
static void log_it(struct head head, const char *path, const char *to, const struct iovec *data, int n_data) {
    struct iovec all[3 + 64] = { { &head, sizeof head }, { (void *)path, 0 }, { (void *)to, 0 } };
    head.path_len = all[1].iov_len = path ? strlen(path) : 0;
    head.to_len = all[2].iov_len = to ? strlen(to) : 0;
    if (n_data > 64) n_data = 64; /* The call itself is cut to as many. */
    for (int i = 0; i < n_data; i++) {
        all[3 + i] = data[i];
        head.data_len += data[i].iov_len;
    }
    CALL(SYS_writev, LOG_FD, all, 3 + n_data, 0);
}

static int is_below(const char *path) {
    size_t len = strlen(folder);
    return strncmp(path, folder, len) == 0 && (path[len] == 0 || path[len] == '/');
}

/* What `fd` is: 's'ocket, 'f'ile or folder below the folder, 'o' what the program says, 0 what else. */
static char what_is(int fd, struct stat *stat, char *path, size_t len) {
    if (CALL(SYS_newfstatat, fd, "", stat, AT_EMPTY_PATH) < 0) return 0;
    if (S_ISSOCK(stat->st_mode)) return 's';
    if (S_ISREG(stat->st_mode) || S_ISDIR(stat->st_mode)) {
        char link[32] = "/proc/self/fd/", digits[12];
        int n = 0, at = strlen(link);
        unsigned number = fd;
        do digits[n++] = '0' + number % 10; while (number /= 10);
        while (n) link[at++] = digits[--n];
        long got = CALL(SYS_readlinkat, AT_FDCWD, link, path, len - 1);
        if (got < 0) return 0;
        path[got] = 0;
        return is_below(path) ? 'f' : 0;
    }
    return fd == 1 || fd == 2 ? 'o' : 0;
}

static long data_out(long nr, int fd, const struct iovec *data, int n_data, int64_t offset, long a[6]) {
    struct stat stat;
    char path[4096];
    char what = what_is(fd, &stat, path, sizeof path);
    if (!what) return power_call(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
    struct head head = { __atomic_add_fetch(&last_op, 1, __ATOMIC_SEQ_CST), stat.st_ino, offset };
    head.kind = what == 'f' ? WRITE : what == 's' ? SEND : SAY;
    if (what == 'f' && offset < 0) {
        int flags = CALL(SYS_fcntl, fd, F_GETFL, 0, 0);
        head.number = flags & O_APPEND ? stat.st_size : CALL(SYS_lseek, fd, 0, SEEK_CUR, 0);
    }
    log_it(head, what == 'f' ? path : 0, 0, data, n_data);
    long got = power_call(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
    log_it((struct head){ head.op, head.ino, got, DONE }, 0, 0, 0, 0);
    return got;
}

static long data_in(long nr, int fd, const struct iovec *data, long a[6]) {
    struct stat stat;
    long got = power_call(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (got > 0 && CALL(SYS_newfstatat, fd, "", &stat, AT_EMPTY_PATH) == 0 && S_ISSOCK(stat.st_mode)) {
        struct head head = { __atomic_add_fetch(&last_op, 1, __ATOMIC_SEQ_CST), stat.st_ino, got, RECEIVE };
        struct iovec read = { data->iov_base, (size_t)got < data->iov_len ? (size_t)got : data->iov_len };
        log_it(head, 0, 0, &read, 1);
    }
    return got;
}

/* A call by which a file or folder is changed, `fd`, or by its name, `path`. */
static long change(long nr, enum kind kind, int fd, int64_t number, const char *path, const char *to, long a[6]) {
    struct stat stat = { 0 };
    char found[4096];
    if (!path) {
        path = found;
        if (what_is(fd, &stat, found, sizeof found) != 'f')
            return power_call(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
    }
    struct head head = { __atomic_add_fetch(&last_op, 1, __ATOMIC_SEQ_CST), stat.st_ino, number, kind };
    log_it(head, path, to, 0, 0);
    long got = power_call(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
    log_it((struct head){ head.op, head.ino, got, DONE }, 0, 0, 0, 0);
    return got;
}

static long opened(long nr, long flags, long a[6]) {
    struct stat stat;
    char path[4096];
    long fd = power_call(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (fd >= 0 && what_is(fd, &stat, path, sizeof path) == 'f') {
        struct head head = { __atomic_add_fetch(&last_op, 1, __ATOMIC_SEQ_CST), stat.st_ino, flags, OPEN };
        log_it(head, path, 0, 0, 0);
    }
    return fd;
}

static long call(long nr, long a[6]) {
    struct iovec one = { (void *)a[1], a[2] };
    switch (nr) {
    case SYS_write: return data_out(nr, a[0], &one, 1, -1, a);
    case SYS_pwrite64: return data_out(nr, a[0], &one, 1, a[3], a);
    case SYS_writev:
        if (a[2] > 64) a[2] = 64;
        return data_out(nr, a[0], (void *)a[1], a[2], -1, a);
    case SYS_pwritev:
        if (a[2] > 64) a[2] = 64;
        return data_out(nr, a[0], (void *)a[1], a[2], a[3], a);
    case SYS_sendto: return data_out(nr, a[0], &one, 1, -1, a);
    case SYS_sendmsg: {
        struct msghdr *message = (void *)a[1];
        return data_out(nr, a[0], message->msg_iov, message->msg_iovlen, -1, a);
    }
    case SYS_read:
    case SYS_recvfrom: return data_in(nr, a[0], &one, a);
    case SYS_readv: return data_in(nr, a[0], (void *)a[1], a);
    case SYS_ftruncate: return change(nr, TRUNCATE, a[0], a[1], 0, 0, a);
    case SYS_fsync:
    case SYS_fdatasync: return change(nr, SYNC, a[0], 0, 0, 0, a);
    case SYS_openat: return opened(nr, a[2], a);
    case SYS_mkdirat: return change(nr, MKDIR, 0, a[0], (void *)a[1], 0, a);
    case SYS_unlinkat: return change(nr, UNLINK, 0, a[0], (void *)a[1], 0, a);
    case SYS_renameat:
    case SYS_renameat2: return change(nr, RENAME, 0, a[0], (void *)a[1], (void *)a[3], a);
#ifdef SYS_open
    case SYS_open: return opened(nr, a[1], a);
    case SYS_creat: return opened(nr, O_CREAT | O_TRUNC, a);
    case SYS_mkdir: return change(nr, MKDIR, 0, AT_FDCWD, (void *)a[0], 0, a);
    case SYS_rmdir:
    case SYS_unlink: return change(nr, UNLINK, 0, AT_FDCWD, (void *)a[0], 0, a);
    case SYS_rename: return change(nr, RENAME, 0, AT_FDCWD, (void *)a[0], (void *)a[1], a);
    case SYS_link:
    case SYS_symlink: return change(nr, OTHER, 0, nr, (void *)a[1], 0, a);
#endif
    case SYS_mmap:
        if ((a[2] & PROT_WRITE) && (a[3] & MAP_SHARED)) return change(nr, MAP, a[4], a[2], 0, 0, a);
        return power_call(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
    case SYS_truncate: return change(nr, OTHER, 0, nr, (void *)a[0], 0, a);
    case SYS_linkat: return change(nr, OTHER, 0, nr, (void *)a[3], 0, a);
    case SYS_symlinkat: return change(nr, OTHER, 0, nr, (void *)a[2], 0, a);
    case SYS_copy_file_range: return change(nr, OTHER, a[2], nr, 0, 0, a);
    default: return change(nr, OTHER, a[0], nr, 0, 0, a); /* fallocate, sendfile */
    }
}

static void caught(int signal, siginfo_t *info, void *given) {
    (void)signal;
    ucontext_t *context = given;
    long a[6] = ARGUMENTS(REGISTERS(context));
    REGISTERS(context)[RESULT] = call(info->si_syscall, a);
}

static const int CAUGHT[] = {
    SYS_write, SYS_pwrite64, SYS_writev, SYS_pwritev, SYS_sendto, SYS_sendmsg, SYS_read, SYS_recvfrom, SYS_readv,
    SYS_ftruncate, SYS_fsync, SYS_fdatasync, SYS_openat, SYS_mkdirat, SYS_unlinkat, SYS_renameat, SYS_renameat2,
    SYS_mmap, SYS_truncate, SYS_linkat, SYS_symlinkat, SYS_copy_file_range, SYS_fallocate, SYS_sendfile,
#ifdef SYS_open
    SYS_open, SYS_creat, SYS_mkdir, SYS_rmdir, SYS_unlink, SYS_rename, SYS_link, SYS_symlink,
#endif
};
#define N_CAUGHT (sizeof CAUGHT / sizeof *CAUGHT)

#define LOAD(field) (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IS(value, yes, no) (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), yes, no)
#define GIVE(what) (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, what)

__attribute__((constructor)) static void begin(void) {
    const char *log = getenv("POWER_LOG"), *below = getenv("POWER_FOLDER");
    if (!log || !below || strlen(below) >= sizeof folder) return;
    strcpy(folder, below);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || dup3(fd, LOG_FD, O_CLOEXEC) < 0) abort();
    close(fd);

    /* What of `mmap` has no file, and calls of the handler's own, pass. */
    uint64_t own = (uintptr_t)power_called;
    struct sock_filter filter[16 + N_CAUGHT];
    int n = 0;
    filter[n++] = LOAD(arch);
    filter[n++] = IS(ARCH, 1, 0);
    filter[n++] = GIVE(SECCOMP_RET_ALLOW);
    filter[n++] = LOAD(instruction_pointer);
    filter[n++] = IS(own, 0, 3);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                               offsetof(struct seccomp_data, instruction_pointer) + 4);
    filter[n++] = IS(own >> 32, 0, 1);
    filter[n++] = GIVE(SECCOMP_RET_ALLOW);
    filter[n++] = LOAD(nr);
    filter[n++] = IS(SYS_mmap, 0, 3);
    filter[n++] = LOAD(args[4]);
    filter[n++] = IS(-1, N_CAUGHT + 1, 0);
    filter[n++] = LOAD(nr);
    for (unsigned i = 0; i < N_CAUGHT; i++) filter[n++] = IS(CAUGHT[i], N_CAUGHT - i, 0);
    filter[n++] = GIVE(SECCOMP_RET_ALLOW);
    filter[n++] = GIVE(SECCOMP_RET_TRAP);

    struct sigaction action = { .sa_sigaction = caught, .sa_flags = SA_SIGINFO };
    sigfillset(&action.sa_mask);
    struct sock_fprog program = { n, filter };
    if (sigaction(SIGSYS, &action, 0) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        abort();
}
