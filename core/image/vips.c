#include "core/image/vips.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <vips/vips.h>

static int start_result;
static atomic_bool left_out, missed;

static void drop_message(const char *domain, GLogLevelFlags level, const char *message,
                         void *data) {
    (void)domain;
    (void)level;
    (void)message;
    (void)data;
}

static void start_once(void) {
    static const char *const allowed[] = {
        "VipsForeignLoadPng",  "VipsForeignLoadWebp", "VipsForeignLoadTiff", "VipsForeignLoadNsgif",
        "VipsForeignLoadHeif", "VipsForeignLoadJp2k", "VipsForeignLoadJxl",  "VipsForeignLoadPpm"};
    (void)g_log_set_default_handler(drop_message, NULL);
    /* A picture that a loader must have whole is kept in memory, whatever its size: there is
     * nowhere else in the sandbox. */
    (void)setenv("VIPS_DISC_THRESHOLD", "1024g", 1);
    start_result = VIPS_INIT("pixgrep-decode");
    vips_concurrency_set(1);
    vips_cache_set_max(0);
    vips_operation_block_set("VipsForeignLoad", TRUE);
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        vips_operation_block_set(allowed[i], FALSE);
}

pix_status pix_vips_start(pix_error *error) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (atomic_load(&left_out)) {
        atomic_store(&missed, true);
        return pix_fail(error, PIX_EBUSY, "libvips was left out");
    }
    (void)pthread_once(&once, start_once);
    return start_result ? pix_fail(error, PIX_EUNSUPPORTED, "libvips does not start") : PIX_OK;
}

void pix_vips_leave_out(void) {
    atomic_store(&left_out, true);
}

bool pix_vips_is_missed(void) {
    return atomic_load(&missed);
}
