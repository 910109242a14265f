#include "rpc/callers.h"

#include <stdlib.h>

#define MAX_CALLERS 256

typedef struct caller {
    uint64_t began_us;
} caller;

static void
begin(world *w, callers *c, caller *one)
{
    vmx_call_options options = world_options(c->retry);
    if (world_now(w) >= c->until_us || (c->max_calls != 0 && c->calls == c->max_calls))
        return;
    c->calls++;
    one->began_us = world_now(w);
    options.queue = w->queue;
    options.user = one;
    world_query(w, &options);
}

static void
note(world *w, callers *c, const caller *one, const vmx_event *event, size_t n)
{
    bool late = c->late_us != 0 && one->began_us >= c->late_us;
    bool succeeded = event->status == VMX_OK;
    c->succeeded += succeeded;
    c->late_calls += late;
    c->late_succeeded += late && succeeded;
    c->budget_exhausted += vmx_op_error(event->op)->budget_exhausted;
    if (late && succeeded && c->first_success_us == VMX_NEVER)
        c->first_success_us = world_now(w);
    if (n % 1024 == 0)
        c->durations = realloc(c->durations, (n + 1024) * sizeof *c->durations);
    if (c->durations == NULL)
        abort();
    c->durations[n] = world_now(w) - one->began_us;
}

void
callers_run(world *w, callers *c)
{
    caller all[MAX_CALLERS];
    vmx_event events[16];
    size_t ended = 0;
    c->first_success_us = VMX_NEVER;
    for (size_t i = 0; i < c->count && i < MAX_CALLERS; i++)
        begin(w, c, &all[i]);
    while (ended < c->calls) {
        size_t count = vmx_queue_poll(w->queue, events, 16, 3600000);
        if (count == 0)
            abort();
        for (size_t i = 0; i < count; i++) {
            note(w, c, events[i].user, &events[i], ended++);
            vmx_op_free(events[i].op);
            begin(w, c, events[i].user);
        }
    }
}

static int
compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

double
callers_quantile(callers *c, double quantile)
{
    qsort(c->durations, c->calls, sizeof *c->durations, compare);
    return (double)c->durations[(size_t)(quantile * (double)(c->calls - 1))] / 1000;
}
