#include "progress.h"

#include "cli/output.h"
#include "thousands.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BAR_WIDTH      24
#define TERMINAL_S     0.1
#define JSON_S         0.25
#define PLAIN_S        10.0
#define RATE_S         5.0 /* rates are over the last so many seconds */
#define CLEAR_LINE     "\r\033[K"
#define BYTES_PER_MB   1e6
#define ONE_DAY_S      86400.0
#define SECONDS_PER_MN 60

static double
clock_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void
load_progress_start(load_progress *progress, bool json, bool quiet)
{
    double now_s = clock_s();
    *progress = (load_progress){.json = json,
                                .quiet = quiet,
                                .terminal = isatty(STDERR_FILENO) == 1,
                                .started_s = now_s,
                                .shown_s = now_s,
                                .at_s = now_s,
                                .first_fraction = -1};
}

static void
print_json(const load_progress *progress, const load_figures *f, double now_s, const char *rest)
{
    printf("{\"stored\":%llu,\"failed\":%llu,\"stored_bytes\":%llu,\"in_flight\":%llu,\"retries\":%llu,"
           "\"stored_before\":%llu,\"failed_before\":%llu,\"seconds\":%.3f",
           (unsigned long long)f->stored, (unsigned long long)f->failed, (unsigned long long)f->stored_bytes,
           (unsigned long long)f->in_flight, (unsigned long long)f->retries, (unsigned long long)f->stored_before,
           (unsigned long long)f->failed_before, now_s - progress->started_s);
    if (f->fraction >= 0)
        printf(",\"fraction\":%.6f", f->fraction);
    fputs(rest, stdout);
}

static void
print_bar(double fraction)
{
    char bar[BAR_WIDTH + 1];
    size_t full = fraction < 1 ? (size_t)(fraction * BAR_WIDTH) : BAR_WIDTH;
    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', full);
    bar[BAR_WIDTH] = '\0';
    fprintf(stderr, "[%s] ", bar);
}

static void
print_left(const load_progress *progress, const load_figures *f, double now_s)
{
    double done = f->fraction - progress->first_fraction;
    double left_s = done > 0 ? (now_s - progress->started_s) * (1 - f->fraction) / done : INFINITY;
    if (left_s < ONE_DAY_S)
        fprintf(stderr, ", %d:%02d left", (int)left_s / SECONDS_PER_MN, (int)left_s % SECONDS_PER_MN);
}

static void
print_line(const load_progress *progress, const load_figures *f, double now_s)
{
    double span_s = now_s - progress->at_s > 0 ? now_s - progress->at_s : 1;
    double vectors = (double)(f->stored - progress->at.stored) / span_s;
    double bytes = (double)(f->stored_bytes - progress->at.stored_bytes) / span_s;
    if (f->fraction >= 0)
        fprintf(stderr, "%.0f %%, ", 100 * f->fraction);
    fprintf(stderr, "%s stored, %.1f MB/s, %s vectors/s, %llu in flight, %llu retries, %s failed",
            load_thousands_of(f->stored).text, bytes / BYTES_PER_MB, load_thousands_of((uint64_t)vectors).text,
            (unsigned long long)f->in_flight, (unsigned long long)f->retries, load_thousands_of(f->failed).text);
    if (f->fraction >= 0)
        print_left(progress, f, now_s);
}

static void
show_now(const load_progress *progress, const load_figures *figures, double now_s)
{
    if (progress->json) {
        print_json(progress, figures, now_s, ",\"done\":false}\n");
        fflush(stdout);
        return;
    }
    if (progress->terminal) {
        fputs(CLEAR_LINE, stderr);
        if (figures->fraction >= 0)
            print_bar(figures->fraction);
    }
    print_line(progress, figures, now_s);
    if (!progress->terminal)
        fputc('\n', stderr);
}

void
load_progress_show(load_progress *progress, const load_figures *figures)
{
    double now_s = clock_s();
    double pause_s = progress->json ? JSON_S : progress->terminal ? TERMINAL_S : PLAIN_S;
    if (progress->first_fraction < 0)
        progress->first_fraction = figures->fraction;
    if ((progress->quiet && !progress->json) || now_s - progress->shown_s < pause_s)
        return;
    show_now(progress, figures, now_s);
    progress->shown_s = now_s;
    if (now_s - progress->at_s > RATE_S) {
        progress->at = *figures;
        progress->at_s = now_s;
    }
}

void
load_progress_clear(load_progress *progress)
{
    if (progress->terminal && !progress->quiet && !progress->json)
        fputs(CLEAR_LINE, stderr);
}

static void
print_text(const load_figures *f, double seconds, bool complete)
{
    printf("%s vectors stored, %s failed, %s retries; %.1f MB in %.1f s", load_thousands_of(f->stored).text,
           load_thousands_of(f->failed).text, load_thousands_of(f->retries).text,
           (double)f->stored_bytes / BYTES_PER_MB, seconds);
    if (seconds > 0 && f->stored > 0)
        printf(" (%s vectors/s, %.1f MB/s)", load_thousands_of((uint64_t)((double)f->stored / seconds)).text,
               (double)f->stored_bytes / BYTES_PER_MB / seconds);
    putchar('\n');
    if (f->stored_before > 0 || f->failed_before > 0)
        printf("before this run: %s stored, %s failed\n", load_thousands_of(f->stored_before).text,
               load_thousands_of(f->failed_before).text);
    if (!complete)
        puts("the load is not complete");
}

void
load_progress_finish(load_progress *progress, const load_figures *figures, const char *dead_letters, bool complete)
{
    double now_s = clock_s();
    load_progress_clear(progress);
    bool named = dead_letters && figures->failed + figures->failed_before > 0;
    if (!progress->json) {
        print_text(figures, now_s - progress->started_s, complete);
        if (named)
            printf("dead letters: %s\n", dead_letters);
        return;
    }
    print_json(progress, figures, now_s,
               complete ? ",\"done\":true,\"complete\":true" : ",\"done\":true,\"complete\":false");
    if (named) {
        fputs(",\"dead_letters\":", stdout);
        cli_print_text(vmx_str_from(dead_letters));
    }
    puts("}");
}
