#include "core/image/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "no sandbox for this processor yet: name its AUDIT_ARCH here"
#endif

/* A photo that needs more address space than this fails alone. */
#define MEMORY_LIMIT ((rlim_t)4 << 30)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { LIMIT_MEMORY = 0 }; /* the sanitizers reserve terabytes */
#else
enum { LIMIT_MEMORY = 1 };
#endif

/* The standard three, the socket, the shared memory, the photo; a few to spare. */
enum { FILES_LIMIT = 16 };

static int limit(__rlimit_resource_t resource, rlim_t most) {
    return setrlimit(resource, &(struct rlimit){most, most});
}

pix_status pix_sandbox_limit(pix_error *error) {
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    if ((LIMIT_MEMORY && limit(RLIMIT_AS, MEMORY_LIMIT)) || limit(RLIMIT_CORE, 0) ||
        limit(RLIMIT_FSIZE, 0) || sigaction(SIGXFSZ, &ignore, NULL) ||
        prctl(PR_SET_PDEATHSIG, SIGKILL) || prctl(PR_SET_DUMPABLE, 0) ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return pix_fail_errno(error, "cannot limit the decoder");
    return PIX_OK;
}

/* A system call that the kernel still carries out: when (argument & mask) == value.  Of an argument
 * the low half is looked at, all that the kernel makes of those named below. */
typedef struct rule {
    int call;
    int argument;
    uint32_t mask, value; /* both 0: whatever the arguments are */
} rule;

/* The flags of pthread_create, without which clone makes a process, and those of namespaces. */
#define THREAD ((uint32_t)(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD))
#define NAMESPACES                                                                                 \
    ((uint32_t)(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |      \
                CLONE_NEWPID | CLONE_NEWNET))

static const rule rules[] = {
    /* the photo, and what comes and goes through the socket */
    {.call = __NR_recvmsg},
    {.call = __NR_sendto},
    {.call = __NR_read},
    {.call = __NR_pread64},
    {.call = __NR_write},
    {.call = __NR_lseek},
    {.call = __NR_close},
    {.call = __NR_fstat},
    /* fstat(3) of newer C libraries, with an empty path.  With this flag a path can be given, too:
     * that tells of a file what stat does, and nothing it holds. */
    {.call = __NR_newfstatat, .argument = 3, .mask = UINT32_MAX, .value = AT_EMPTY_PATH},
    /* memory, none of it made executable */
    {.call = __NR_brk},
    {.call = __NR_munmap},
    {.call = __NR_mremap},
    {.call = __NR_madvise},
    {.call = __NR_mmap, .argument = 2, .mask = PROT_EXEC},
    {.call = __NR_mprotect, .argument = 2, .mask = PROT_EXEC},
    /* threads of this process, and its end */
    {.call = __NR_clone, .mask = THREAD | NAMESPACES, .value = THREAD},
    {.call = __NR_futex},
    {.call = __NR_set_robust_list},
    {.call = __NR_rseq},
    {.call = __NR_gettid},
    {.call = __NR_getpid},
    {.call = __NR_sched_yield},
    {.call = __NR_sched_getaffinity},
    {.call = __NR_sysinfo},
    {.call = __NR_prlimit64, .mask = UINT32_MAX}, /* its own, which only go down */
    {.call = __NR_rt_sigaction},
    {.call = __NR_rt_sigprocmask},
    {.call = __NR_rt_sigreturn},
    {.call = __NR_sigaltstack},
    {.call = __NR_exit},
    {.call = __NR_exit_group},
    /* time and chance */
    {.call = __NR_clock_gettime},
    {.call = __NR_clock_nanosleep},
    {.call = __NR_gettimeofday},
    {.call = __NR_getrandom},
};

enum { RULE_COUNT = sizeof rules / sizeof *rules, INSTRUCTIONS = 16 + 6 * RULE_COUNT };

/* A program for the kernel's classic BPF machine, which sees a struct seccomp_data. */
typedef struct program {
    struct sock_filter code[INSTRUCTIONS];
    unsigned short count;
} program;

#define LOAD(p, field)                                                                             \
    add(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, field), 0, 0)

static void add(program *p, uint16_t code, uint32_t operand, uint8_t yes, uint8_t no) {
    p->code[p->count++] = (struct sock_filter){code, yes, no, operand};
}

static void add_return(program *p, uint32_t what) {
    add(p, BPF_RET | BPF_K, what, 0, 0);
}

/* The call's number is loaded, before and after. */
static void add_rule(program *p, const rule *r) {
    bool any = r->mask == 0;
    add(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)r->call, 0, any ? 1 : 5);
    if (!any) {
        LOAD(p, args[r->argument]);
        add(p, BPF_ALU | BPF_AND | BPF_K, r->mask, 0, 0);
        add(p, BPF_JMP | BPF_JEQ | BPF_K, r->value, 1, 0);
        add_return(p, SECCOMP_RET_ERRNO | EACCES);
    }
    add_return(p, SECCOMP_RET_ALLOW);
}

static void write_program(program *p) {
    LOAD(p, arch);
    add(p, BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
    add_return(p, SECCOMP_RET_KILL_PROCESS);
    LOAD(p, nr);
    for (size_t i = 0; i < RULE_COUNT; i++)
        add_rule(p, &rules[i]);
    /* what abort sends */
    rule itself = {.call = __NR_tgkill, .mask = UINT32_MAX, .value = (uint32_t)getpid()};
    add_rule(p, &itself);
    /* Its flags are in memory, where no filter looks: without it the C library takes clone. */
    add(p, BPF_JMP | BPF_JEQ | BPF_K, __NR_clone3, 0, 1);
    add_return(p, SECCOMP_RET_ERRNO | ENOSYS);
    add_return(p, SECCOMP_RET_ERRNO | EACCES);
}

pix_status pix_sandbox_close(pix_error *error) {
    program p = {.count = 0};
    write_program(&p);
    struct sock_fprog filter = {.len = p.count, .filter = p.code};
    /* in the threads, too, that a library may have started by now */
    if (limit(RLIMIT_NOFILE, FILES_LIMIT) ||
        syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter))
        return pix_fail_errno(error, "cannot close the decoder's sandbox");
    return PIX_OK;
}
