#include "core/image/vips.h"

#include <pthread.h>

#include <vips/vips.h>

static int start_result;

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
    start_result = VIPS_INIT("pixgrep-decode");
    vips_concurrency_set(1);
    vips_cache_set_max(0);
    vips_operation_block_set("VipsForeignLoad", TRUE);
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        vips_operation_block_set(allowed[i], FALSE);
}

pix_status pix_vips_start(pix_error *error) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, start_once);
    return start_result ? pix_fail(error, PIX_EUNSUPPORTED, "libvips does not start") : PIX_OK;
}
