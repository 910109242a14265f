#include "build_show.h"

#include "cli.h"
#include "output.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BAR_WIDTH    24
#define LOOK_MS      100
#define BYTES_PER_MB 1e6

/* --- progress ------------------------------------------------------------------------------------------------------ */

static volatile sig_atomic_t interrupted;

static void
on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static double
fraction_of(const vmx_progress *at)
{
    if (at->bytes_total > 0)
        return (double)at->bytes_done / (double)at->bytes_total;
    return at->vectors_total > 0 ? (double)at->vectors_done / (double)at->vectors_total : 0;
}

static void
print_phase(const vmx_progress *at, bool whole)
{
    char bar[BAR_WIDTH + 1];
    double fraction = whole ? 1 : fraction_of(at);
    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', fraction < 1 ? (size_t)(fraction * BAR_WIDTH) : BAR_WIDTH);
    bar[BAR_WIDTH] = '\0';
    fprintf(stderr, "%-8s [%s] %3d %%", vmx_build_phase_name(at->phase), bar, (int)(fraction * 100));
    if (at->bytes_total > 0)
        fprintf(stderr, "  %.1f MB, %.1f MB/s", (double)at->bytes_total / BYTES_PER_MB,
                at->bytes_per_second / BYTES_PER_MB);
    else if (at->queue_position > 0)
        fprintf(stderr, "  in the queue, place %u", (unsigned)at->queue_position);
    else if (at->vectors_total > 0)
        fprintf(stderr, "  %llu vectors", (unsigned long long)at->vectors_total);
}

typedef struct screen {
    bool terminal;
    bool begun; /* `last` is a phase that has been seen */
    vmx_progress last;
} screen;

/* A phase that is over keeps its line. */
static void
end_phase(screen *s, bool whole)
{
    if (!s->begun || s->last.phase == VMX_BUILD_DONE)
        return;
    if (s->terminal)
        fputs("\r\033[K", stderr);
    print_phase(&s->last, whole);
    fputc('\n', stderr);
}

static void
show(screen *s, const vmx_op *op)
{
    vmx_progress now;
    vmx_progress_init(&now, sizeof now);
    if (!vmx_op_progress(op, &now))
        return;
    if (s->begun && now.phase != s->last.phase)
        end_phase(s, true);
    s->begun = true;
    s->last = now;
    if (!s->terminal || now.phase == VMX_BUILD_DONE)
        return;
    fputs("\r\033[K", stderr);
    print_phase(&now, false);
    fflush(stderr);
}

bool
cli_build_watch(vmx_status status, const vmx_error *error, vmx_op *op, bool quiet)
{
    struct sigaction action = {.sa_handler = on_signal,
                               .sa_flags = (int)SA_RESETHAND}; /* a second one ends the process */
    screen s = {.terminal = isatty(STDERR_FILENO) == 1};
    if (status != VMX_OK) {
        cli_error("%s", error->message);
        return false;
    }
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    while (!vmx_op_done(op)) {
        vmx_op_wait(op, LOOK_MS);
        if (interrupted)
            vmx_op_cancel(op);
        if (!quiet)
            show(&s, op);
    }
    bool good = vmx_op_status(op) == VMX_OK;
    if (!quiet)
        end_phase(&s, good);
    if (!good)
        cli_error("%s", vmx_op_error(op)->message);
    return good;
}

/* --- builds -------------------------------------------------------------------------------------------------------- */

static void
print_text(const char *name, vmx_str text)
{
    if (text.len == 0)
        return;
    printf(",\"%s\":", name);
    cli_print_text(text);
}

static void
print_number(const char *name, uint64_t number)
{
    if (number > 0)
        printf(",\"%s\":%llu", name, (unsigned long long)number);
}

static void
print_job(const vmx_job *job)
{
    fputs("{\"id\":", stdout);
    cli_print_text(job->id);
    printf(",\"state\":\"%s\"", vmx_job_state_name(job->state));
    print_number("queue_position", job->queue_position);
    print_number("vectors_done", job->vectors_done);
    print_number("vectors_total", job->vectors_total);
    if (job->cancelling)
        fputs(",\"cancelling\":true", stdout);
    print_text("error", job->error);
    if (job->error.len > 0)
        printf(",\"retriable\":%s", job->error_retriable ? "true" : "false");
    print_text("tenant", job->tenant);
    print_text("idempotency_key", job->idempotency_key);
    print_text("result", job->result);
    if (job->in_place) {
        fputs(",\"namespace\":", stdout);
        cli_print_text(job->name_space);
    }
    print_number("memory_bytes", job->memory_bytes);
    print_number("created_ms", job->created_ms);
    print_number("started_ms", job->started_ms);
    print_number("finished_ms", job->finished_ms);
    print_number("attempt", job->attempt);
    puts("}");
}

void
cli_build_print_jobs(const vmx_op *op)
{
    vmx_job job;
    vmx_job_init(&job, sizeof job);
    for (size_t i = 0; vmx_op_job(op, i, &job); i++)
        print_job(&job);
}
