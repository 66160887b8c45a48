#include "indexer/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/base/threads.h"
#include "indexer/format.h"

static const int64_t REDRAW_NS = 200000000;

struct pix_progress {
    pix_pace pace;
    int64_t drawn_ns;
    bool shown;
};

void pix_pace_add(pix_pace *pace, int64_t now_ns, int64_t done) {
    size_t capacity = sizeof pace->samples / sizeof pace->samples[0];
    pace->samples[pace->next].at_ns = now_ns;
    pace->samples[pace->next].done = done;
    pace->next = (pace->next + 1) % capacity;
    if (pace->count < capacity)
        pace->count++;
}

double pix_pace_rate(const pix_pace *pace) {
    size_t capacity = sizeof pace->samples / sizeof pace->samples[0];
    if (pace->count < 2)
        return 0;
    size_t last = (pace->next + capacity - 1) % capacity;
    size_t first = (pace->next + capacity - pace->count) % capacity;
    double seconds = (double)(pace->samples[last].at_ns - pace->samples[first].at_ns) / 1e9;
    return seconds <= 0 ? 0
                        : (double)(pace->samples[last].done - pace->samples[first].done) / seconds;
}

void pix_progress_line(const pix_pace *pace, const pix_progress_state *state, char *out,
                       size_t size) {
    double rate = pix_pace_rate(pace);
    char left[64] = "", failed[48] = "";
    if (state->total_known && rate > 0 && state->total > state->done)
        (void)snprintf(left, sizeof left, ", %s left",
                       pix_text_duration((double)(state->total - state->done) / rate));
    if (state->failed > 0)
        (void)snprintf(failed, sizeof failed, ", %s failed", pix_text_count(state->failed));
    (void)snprintf(out, size, "%s of %s%s, %.1f photos/s%s%s", pix_text_count(state->done),
                   pix_text_count(state->total), state->total_known ? "" : " or more", rate, left,
                   failed);
}

pix_progress *pix_progress_new(void) {
    return isatty(STDERR_FILENO) ? calloc(1, sizeof(pix_progress)) : NULL;
}

void pix_progress_free(pix_progress *progress) {
    pix_progress_clear(progress);
    free(progress);
}

void pix_progress_draw(pix_progress *progress, const pix_progress_state *state) {
    if (!progress)
        return;
    int64_t now = pix_now_ns();
    if (progress->drawn_ns && now - progress->drawn_ns < REDRAW_NS)
        return;
    progress->drawn_ns = now;
    pix_pace_add(&progress->pace, now, state->done);
    char line[160];
    pix_progress_line(&progress->pace, state, line, sizeof line);
    struct winsize window;
    int width = (int)sizeof line;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 1)
        width = window.ws_col - 1;
    (void)fprintf(stderr, "\r%.*s\033[K", width, line);
    (void)fflush(stderr);
    progress->shown = true;
}

void pix_progress_clear(pix_progress *progress) {
    if (!progress || !progress->shown)
        return;
    (void)fputs("\r\033[K", stderr);
    (void)fflush(stderr);
    progress->shown = false;
}
