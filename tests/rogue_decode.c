/* A pixgrep-decode that misbehaves when a file says so: "ROGUE crash".  It stands for a picture
 * library that a hostile file has taken over.  Everything but the decoding is the real program's.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/image/preprocess.h"
#include "core/image/protocol.h"
#include "core/image/service.h"

/* As a library that starts a thread when it is loaded: what the sandbox lets that one do. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool asked, answered;
    int result;
} early = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void *run_early(void *unused) {
    (void)pthread_mutex_lock(&early.lock);
    while (!early.asked)
        (void)pthread_cond_wait(&early.changed, &early.lock);
    early.result = open("/etc/passwd", O_RDONLY) < 0 ? errno : 0;
    early.answered = true;
    (void)pthread_cond_signal(&early.changed);
    (void)pthread_mutex_unlock(&early.lock);
    return unused;
}

static int ask_early_thread(void) {
    (void)pthread_mutex_lock(&early.lock);
    early.asked = true;
    (void)pthread_cond_signal(&early.changed);
    while (!early.answered)
        (void)pthread_cond_wait(&early.changed, &early.lock);
    (void)pthread_mutex_unlock(&early.lock);
    errno = early.result;
    return early.result ? -1 : 0;
}

/* What a process taken over would try: 0, or -1 with errno. */
static long try_call(const char *what) {
    struct iovec nowhere = {NULL, 0};
    struct stat about;
    if (strcmp(what, "open") == 0)
        return open("/etc/passwd", O_RDONLY);
    if (strcmp(what, "create") == 0)
        return open("/tmp/rogue", O_WRONLY | O_CREAT, 0600);
    if (strcmp(what, "stat") == 0)
        return stat("/etc/passwd", &about);
    if (strcmp(what, "unlink") == 0)
        return unlink("/tmp/rogue");
    if (strcmp(what, "listing") == 0)
        return syscall(__NR_getdents64, 3, NULL, 0);
    if (strcmp(what, "socket") == 0)
        return socket(AF_INET, SOCK_STREAM, 0);
    if (strcmp(what, "local socket") == 0)
        return socket(AF_UNIX, SOCK_STREAM, 0);
    if (strcmp(what, "connect") == 0)
        return connect(PIX_DECODE_SOCKET, NULL, 0);
    if (strcmp(what, "exec") == 0)
        return execl("/bin/true", "true", (char *)NULL);
    if (strcmp(what, "fork") == 0)
        return syscall(__NR_clone, SIGCHLD, 0, 0, 0, 0);
    if (strcmp(what, "namespace") == 0)
        return unshare(CLONE_NEWUSER);
    if (strcmp(what, "ptrace") == 0)
        return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
    if (strcmp(what, "peek") == 0)
        return process_vm_readv(getpid() - 1, &nowhere, 1, &nowhere, 1, 0);
    if (strcmp(what, "kill") == 0)
        return kill(getpid() - 1, SIGKILL);
    if (strcmp(what, "signal") == 0)
        return syscall(__NR_tgkill, getpid() - 1, getpid() - 1, SIGKILL);
    if (strcmp(what, "owner") == 0)
        return fcntl(PIX_DECODE_SOCKET, F_SETOWN, getpid() - 1);
    if (strcmp(what, "survive") == 0)
        return prctl(PR_SET_PDEATHSIG, 0);
    if (strcmp(what, "dumpable") == 0)
        return prctl(PR_SET_DUMPABLE, 1);
    if (strcmp(what, "limits of others") == 0)
        return prlimit(getpid() - 1, RLIMIT_NOFILE, &(struct rlimit){0, 0}, NULL);
    if (strcmp(what, "code") == 0)
        return (long)mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (strcmp(what, "code later") == 0)
        return mprotect(
            mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 4096,
            PROT_READ | PROT_EXEC);
    if (strcmp(what, "early thread") == 0)
        return ask_early_thread();
#ifdef __x86_64__
    if (strcmp(what, "x32") == 0) /* the same call by its other number */
        return syscall(0x40000000 | __NR_getpid);
#endif
    if (strcmp(what, "bpf") == 0)
        return syscall(__NR_bpf, 0, NULL, 0);
    errno = ENOMSG;
    return -1;
}

/* A stack of 4 GiB; volatile, lest the compiler makes a loop of it. */
static int recurse(int depth) {
    volatile int here[4096];
    here[0] = depth;
    return depth == 0 ? 0 : recurse(depth - 1) + here[0];
}

/* The calls a decoder needs.  Of these some are denied with certain arguments: try_call. */
static bool is_needed(long call) {
    static const long needed[] = {
        __NR_recvmsg,
        __NR_sendto,
        __NR_read,
        __NR_pread64,
        __NR_write,
        __NR_lseek,
        __NR_close,
        __NR_fstat,
        __NR_newfstatat,
        __NR_brk,
        __NR_munmap,
        __NR_mremap,
        __NR_madvise,
        __NR_mmap,
        __NR_mprotect,
        __NR_clone,
        __NR_clone3,
        __NR_futex,
        __NR_set_robust_list,
        __NR_rseq,
        __NR_gettid,
        __NR_getpid,
        __NR_sched_yield,
        __NR_sched_getaffinity,
        __NR_sysinfo,
        __NR_prlimit64,
        __NR_rt_sigaction,
        __NR_rt_sigprocmask,
        __NR_rt_sigreturn,
        __NR_sigaltstack,
        __NR_exit,
        __NR_exit_group,
        __NR_clock_gettime,
        __NR_clock_nanosleep,
        __NR_gettimeofday,
        __NR_getrandom,
        __NR_tgkill,
    };
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (needed[i] == call)
            return true;
    return false;
}

/* What the kernel calls itself, without asking a filter; SIGILL for whoever else does. */
static bool is_internal(long call) {
#ifdef __x86_64__
    return call == 335 || call == 336; /* uretprobe, uprobe */
#else
    return call < 0;
#endif
}

/* Whatever else a kernel has, or will have, by its number. */
static pix_status try_all_others(pix_error *error) {
    for (long call = 0; call < 1024; call++)
        if (!is_needed(call) && !is_internal(call) &&
            (syscall(call, -1, -1, -1, -1, -1, -1) != -1 || errno != EACCES))
            return pix_fail(error, PIX_EFORMAT, "call %ld: %s", call, strerrordesc_np(errno));
    return pix_fail(error, PIX_EFORMAT, "all denied");
}

static void *volatile hoard;
static bool spoilt;

static pix_status misbehave(const char *what, uint8_t *crop, pix_error *error) {
    if (strcmp(what, "crash") == 0) {
        (void)signal(SIGSEGV, SIG_DFL); /* sanitizers make an exit of it */
        (void)raise(SIGSEGV);
    }
    if (strcmp(what, "abort") == 0)
        abort();
    if (strcmp(what, "overflow the stack") == 0)
        return recurse(1 << 18) ? PIX_OK : PIX_EIO;
    if (strcmp(what, "end") == 0)
        _exit(0);
    if (strcmp(what, "hang") == 0)
        for (volatile unsigned i = 0;; i++)
            ;
    if (strcmp(what, "sleep") == 0)
        for (;;)
            (void)sleep(1000);
    if (strcmp(what, "babble") == 0)
        for (;;)
            (void)send(PIX_DECODE_SOCKET, "nonsense", 8, 0);
    if (strcmp(what, "be killed") == 0)
        (void)raise(SIGKILL);
#ifdef __x86_64__
    if (strcmp(what, "i386") == 0) { /* getpid of another table of calls */
        long number = 20;
        __asm__ volatile("int $0x80" : "+a"(number) : : "memory");
    }
#endif
    if (strcmp(what, "spoil") == 0) {
        spoilt = true;
        return pix_fail(error, PIX_EUNSUPPORTED, "spoilt");
    }
    if (strcmp(what, "all others") == 0)
        return try_all_others(error);
    if (strcmp(what, "hog") == 0) {
        while ((hoard = malloc((size_t)64 << 20)))
            continue;
        return pix_fail_memory(error);
    }
    if (strcmp(what, "shrink") == 0) {
        (void)ftruncate(PIX_DECODE_MEMORY, 0);
        crop[0] = 1; /* SIGBUS, if it did */
        return pix_fail(error, PIX_EFORMAT, "still there");
    }
    if (strcmp(what, "files") == 0) {
        int open_files = 0;
        for (int fd = 0; fd < 64; fd++)
            open_files += lseek(fd, 0, SEEK_CUR) >= 0 || errno != EBADF;
        return pix_fail(error, PIX_EFORMAT, "%d open files", open_files);
    }
    long result = try_call(what);
    if (result == -1)
        return pix_fail(error, PIX_EFORMAT, "%s: %s", what, strerrordesc_np(errno));
    return pix_fail(error, PIX_EFORMAT, "%s: done", what);
}

static pix_status decode(int fd, const pix_decode_options *options, uint8_t *crop, pix_photo *photo,
                         pix_error *error) {
    char text[64] = "";
    static const char sign[] = "ROGUE ";
    if (spoilt)
        return pix_fail_memory(error);
    ssize_t size = pread(fd, text, sizeof text - 1, 0);
    if (size < 0 || strncmp(text, sign, strlen(sign)) != 0)
        return pix_preprocess(fd, options, crop, photo, error);
    text[strcspn(text, "\n")] = '\0';
    return misbehave(text + strlen(sign), crop, error);
}

int main(void) {
    pix_error error;
    pthread_t thread;
    if (pthread_create(&thread, NULL, run_early, NULL))
        return 3;
    return pix_decode_serve(decode, &error) ? 2 : 0;
}
