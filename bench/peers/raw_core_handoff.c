/*
 * raw_core_handoff: as raw_core, with one thread that takes completions and hands them to the application's over a queue
 * with a mutex. The floor for vecmux's background mode.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "../clock.h"
#include "../report.h"
#include "raw_call.h"

#define POLL_MS 20

static const char head[] = "usage: raw_core_handoff query|latency|scale|decode|upsert [options]\n";

/* What has ended and was not taken yet. */
typedef struct handoff {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    raw_call *first; /* locked */
    raw_call **last; /* locked */
    const raw_channel *channel;
} handoff;

static void
push(handoff *self, raw_call *ended)
{
    ended->next = NULL;
    pthread_mutex_lock(&self->lock);
    bool was_empty = self->first == NULL;
    *self->last = ended;
    self->last = &ended->next;
    pthread_mutex_unlock(&self->lock);
    if (was_empty)
        pthread_cond_signal(&self->filled);
}

/* All that has ended, the oldest first; NULL after a while. */
static raw_call *
take_all(handoff *self)
{
    struct timespec limit;
    clock_gettime(CLOCK_MONOTONIC, &limit);
    limit.tv_nsec += POLL_MS * 1000000;
    limit.tv_sec += limit.tv_nsec / BENCH_NS_PER_S;
    limit.tv_nsec %= BENCH_NS_PER_S;
    pthread_mutex_lock(&self->lock);
    while (!self->first && pthread_cond_timedwait(&self->filled, &self->lock, &limit) == 0)
        continue;
    raw_call *taken = self->first;
    self->first = NULL;
    self->last = &self->first;
    pthread_mutex_unlock(&self->lock);
    return taken;
}

static void *
completion_main(void *arg)
{
    handoff *self = arg;
    for (;;) {
        grpc_event event = grpc_completion_queue_next(self->channel->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        if (event.type == GRPC_QUEUE_SHUTDOWN)
            return NULL;
        push(self, event.tag);
    }
}

static void
handoff_init(handoff *self, const raw_channel *channel)
{
    pthread_condattr_t attributes;
    *self = (handoff){.channel = channel, .last = &self->first};
    pthread_mutex_init(&self->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&self->filled, &attributes);
    pthread_condattr_destroy(&attributes);
}

static size_t
run_calls(handoff *self, raw_channel *channel, raw_call *calls, bench_row *row, const bench_options *options)
{
    bench_meter meter;
    size_t open = row->in_flight, reply_bytes = 0;
    bench_meter_begin(&meter, row, options);
    for (size_t i = 0; i < open; i++)
        raw_call_start(channel, &calls[i], bench_now_ns());
    while (open > 0) {
        raw_call *ended = take_all(self);
        bool going_on = bench_meter_tick(&meter, bench_now_ns());
        for (raw_call *next; ended; ended = next) {
            next = ended->next;
            bool ok = raw_call_finish(ended);
            reply_bytes = ended->reply_bytes;
            bench_meter_record(&meter, ended->start_ns, bench_now_ns(), ok, 1);
            if (going_on)
                raw_call_start(channel, ended, bench_now_ns());
            else
                open--;
        }
    }
    return reply_bytes;
}

static bool
run_with_thread(raw_channel *channel, raw_call *calls, bench_row *row, const bench_options *options)
{
    handoff self;
    pthread_t thread;
    handoff_init(&self, channel);
    if (pthread_create(&thread, NULL, completion_main, &self) != 0)
        return false;
    raw_sizes(channel, run_calls(&self, channel, calls, row, options), row);
    grpc_completion_queue_shutdown(channel->queue);
    pthread_join(thread, NULL);
    grpc_completion_queue_destroy(channel->queue);
    channel->queue = NULL;
    pthread_cond_destroy(&self.filled);
    pthread_mutex_destroy(&self.lock);
    return true;
}

static bool
measure(const bench_options *options, bench_row *row)
{
    raw_channel channel;
    raw_call *calls = calloc(row->in_flight, sizeof *calls);
    bool good = raw_channel_open(&channel, options) && calls;
    for (size_t i = 0; i < row->in_flight && good; i++)
        raw_call_init(&calls[i]);
    good = good && run_with_thread(&channel, calls, row, options);
    for (size_t i = 0; i < row->in_flight && good; i++)
        raw_call_destroy(&calls[i]);
    raw_channel_close(&channel);
    free(calls);
    return good;
}

int
main(int argc, char **argv)
{
    bench_options options;
    int exit_code;
    if (!bench_options_parse(&options, argc, argv, head, &exit_code) || !bench_options_are_plain(&options))
        return exit_code;
    bench_report report = {.client = "raw_core_handoff", .versions = raw_versions(), .options = &options};
    size_t levels[BENCH_MAX_LEVELS], count = bench_options_levels(&options, levels);
    for (size_t i = 0; i < count && !report.failed; i++)
        report.failed = !measure(&options, bench_report_add(&report, levels[i], "%zu in flight", levels[i]));
    exit_code = bench_report_print(&report);
    bench_report_free(&report);
    return exit_code;
}
