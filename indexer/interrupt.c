#include "indexer/interrupt.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "indexer/exit.h"

static atomic_bool interrupted;

bool pix_interrupted(void) {
    return atomic_load(&interrupted);
}

static void *wait_for_signals(void *context) {
    const sigset_t *signals = context;
    for (;;) {
        int received;
        if (sigwait(signals, &received))
            return NULL;
        if (atomic_exchange(&interrupted, true))
            _exit(PIX_EXIT_STOPPED);
    }
}

pix_status pix_interrupt_watch(pix_error *error) {
    static sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    struct sigaction hangup;
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN) /* nohup(1) */
        sigaddset(&signals, SIGHUP);
    pthread_t thread;
    int cause = pthread_sigmask(SIG_BLOCK, &signals, NULL);
    if (!cause)
        cause = pthread_create(&thread, NULL, wait_for_signals, &signals);
    if (!cause)
        cause = pthread_detach(thread);
    if (!cause)
        return PIX_OK;
    errno = cause;
    return pix_fail_errno(error, "cannot watch for signals");
}
