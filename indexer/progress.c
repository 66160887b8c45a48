#include "indexer/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/base/threads.h"
#include "indexer/format.h"

static const int64_t REDRAW_NS = 200000000;
enum { LINE_SIZE = 160, MILLIONTHS = 1000000 };

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

void pix_progress_share_line(const pix_pace *pace, const char *what, double done, char *out,
                             size_t size) {
    double rate = pix_pace_rate(pace);
    char left[64] = "";
    if (rate > 0 && done < 1)
        (void)snprintf(left, sizeof left, ", %s left",
                       pix_text_duration((1 - done) * MILLIONTHS / rate));
    (void)snprintf(out, size, "%s: %.0f %%%s", what, done * 100, left);
}

pix_progress *pix_progress_new(void) {
    return isatty(STDERR_FILENO) ? calloc(1, sizeof(pix_progress)) : NULL;
}

void pix_progress_free(pix_progress *progress) {
    pix_progress_clear(progress);
    free(progress);
}

/* Whether it is time to draw; if so, `done` is a sample of the pace. */
static bool is_due(pix_progress *progress, int64_t done) {
    if (!progress)
        return false;
    int64_t now = pix_now_ns();
    if (progress->drawn_ns && now - progress->drawn_ns < REDRAW_NS)
        return false;
    progress->drawn_ns = now;
    pix_pace_add(&progress->pace, now, done);
    return true;
}

static void show(pix_progress *progress, const char *line) {
    struct winsize window;
    int width = LINE_SIZE;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 1)
        width = window.ws_col - 1;
    (void)fprintf(stderr, "\r%.*s\033[K", width, line);
    (void)fflush(stderr);
    progress->shown = true;
}

void pix_progress_draw(pix_progress *progress, const pix_progress_state *state) {
    char line[LINE_SIZE];
    if (!is_due(progress, state->done))
        return;
    pix_progress_line(&progress->pace, state, line, sizeof line);
    show(progress, line);
}

void pix_progress_draw_share(pix_progress *progress, const char *what, double done) {
    char line[LINE_SIZE];
    if (!is_due(progress, (int64_t)(done * MILLIONTHS)))
        return;
    pix_progress_share_line(&progress->pace, what, done, line, sizeof line);
    show(progress, line);
}

void pix_progress_clear(pix_progress *progress) {
    if (!progress || !progress->shown)
        return;
    (void)fputs("\r\033[K", stderr);
    (void)fflush(stderr);
    progress->shown = false;
}
