#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BAR_WIDTH       30
#define REDRAW_S        0.05
#define LINES_PER_TOTAL 10

double
clock_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

const char *
thousands(size_t number, char *text)
{
    char digits[24];
    int count = snprintf(digits, sizeof digits, "%zu", number);
    char *out = text;
    for (int i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0)
            *out++ = ',';
        *out++ = digits[i];
    }
    *out = '\0';
    return text;
}

void
progress_start(demo_progress *progress, size_t total, size_t bytes_per_vector)
{
    memset(progress, 0, sizeof *progress);
    progress->total = total;
    progress->bytes_per_vector = bytes_per_vector;
    progress->started_s = clock_s();
    progress->terminal = isatty(STDOUT_FILENO) == 1;
}

static void
draw_bar(const demo_progress *progress, size_t done)
{
    char bar[BAR_WIDTH + 1];
    size_t full = done * BAR_WIDTH / progress->total;
    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', full);
    bar[BAR_WIDTH] = '\0';
    printf("\r[%s] ", bar);
}

static void
print_figures(const demo_progress *progress, size_t done, double now_s)
{
    char a[32], b[32];
    double elapsed_s = now_s - progress->started_s + 1e-9;
    double mb_per_s = (double)(done * progress->bytes_per_vector) / 1e6 / elapsed_s;
    double left_s = done == 0 ? 0 : elapsed_s * (double)(progress->total - done) / (double)done;
    printf("%s of %s vectors  %.1f MB/s  %.1f s left", thousands(done, a), thousands(progress->total, b), mb_per_s,
           left_s);
}

void
progress_show(demo_progress *progress, size_t done)
{
    double now_s = clock_s();
    size_t step = done * LINES_PER_TOTAL / progress->total;
    bool last = done == progress->total;
    if (progress->terminal && (last || now_s - progress->shown_s >= REDRAW_S)) {
        draw_bar(progress, done);
        print_figures(progress, done, now_s);
        fputs(last ? "   \n" : "   ", stdout);
        progress->shown_s = now_s;
    } else if (!progress->terminal && step > progress->shown_step) {
        print_figures(progress, done, now_s);
        putchar('\n');
        progress->shown_step = step;
    }
    fflush(stdout);
}
