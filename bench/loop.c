#include "loop.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"

#define EVENTS_PER_POLL 64
#define POLL_TIMEOUT_MS 20
#define DRAIN_TIMEOUT_S 10
#define NS_PER_MS       1000000

typedef struct slot {
    uint64_t start_ns; /* when it was meant to start */
    size_t next_free;
} slot;

typedef struct loop {
    const bench_session *session;
    const bench_options *options;
    const bench_workload *workload;
    bench_meter meter;
    slot *slots;
    size_t slot_count;
    size_t first_free; /* slot_count: none */
    size_t in_flight;
    uint64_t interval_ns; /* of the open loop, 0 in a closed one */
    uint64_t next_ns;     /* when its next operation is meant to start */
    double checksum;
    bool failed;
    bool complained;
} loop;

static void
complain(loop *self, const char *message)
{
    if (!self->complained)
        fprintf(stderr, "bench: %s\n", message);
    self->complained = true;
}

static void
free_slot(loop *self, size_t i)
{
    self->slots[i].next_free = self->first_free;
    self->first_free = i;
}

/* Starts an operation in a free slot. */
static void
start(loop *self, uint64_t intended_ns)
{
    size_t i = self->first_free;
    vmx_op *op = NULL;
    vmx_error error;
    vmx_call_options call;
    vmx_call_options_init(&call, sizeof call);
    call.queue = self->session->queue;
    call.user = &self->slots[i];
    self->first_free = self->slots[i].next_free;
    self->slots[i].start_ns = intended_ns;
    if (self->workload->start(self->workload->state, i, &call, &op, &error) == VMX_OK) {
        self->in_flight++;
        return;
    }
    complain(self, error.message);
    self->failed = true;
    free_slot(self, i);
}

static void
finish(loop *self, const vmx_event *event, uint64_t now_ns)
{
    slot *ended = event->user;
    size_t i = (size_t)(ended - self->slots);
    bool ok = event->status == VMX_OK;
    if (ok)
        self->checksum += self->workload->read(self->workload->state, i, event->op);
    else
        complain(self, vmx_op_error(event->op)->message);
    size_t attempts = vmx_op_attempt_count(event->op);
    if (!bench_meter_record(&self->meter, ended->start_ns, now_ns, ok, attempts) && self->interval_ns > 0)
        bench_meter_record_late(&self->meter, ended->start_ns, now_ns, ok, attempts);
    vmx_op_free(event->op);
    self->in_flight--;
    free_slot(self, i);
}

static size_t
take_events(loop *self, int64_t timeout_ms)
{
    vmx_event events[EVENTS_PER_POLL];
    size_t count = vmx_queue_poll(self->session->queue, events, EVENTS_PER_POLL, timeout_ms);
    for (size_t i = 0; i < count; i++)
        finish(self, &events[i], bench_now_ns());
    return count;
}

static void
run_closed(loop *self)
{
    uint64_t now = bench_now_ns();
    while (bench_meter_tick(&self->meter, now) && !self->failed) {
        while (self->first_free < self->slot_count && !self->failed)
            start(self, bench_now_ns());
        take_events(self, POLL_TIMEOUT_MS);
        now = bench_now_ns();
    }
}

/* Starts what should have been started by now. */
static void
start_due(loop *self)
{
    uint64_t now = bench_now_ns();
    while (self->next_ns <= now && self->first_free < self->slot_count && !self->failed) {
        start(self, self->next_ns);
        self->next_ns += self->interval_ns;
    }
}

/*
 * Waits until something has ended or must be started. A wait of vmx_queue_poll is in milliseconds, too coarse: with
 * threads in the background the queue's descriptor is watched, and a driven client is driven without waiting.
 */
static void
wait_for_due(loop *self)
{
    uint64_t now = bench_now_ns();
    uint64_t wait_ns = self->next_ns > now ? self->next_ns - now : 0;
    if (take_events(self, 0) > 0 || wait_ns == 0)
        return;
    if (self->options->driven) {
        if (wait_ns >= 2 * NS_PER_MS)
            take_events(self, (int64_t)(wait_ns / NS_PER_MS) - 1);
        return;
    }
    struct pollfd watched = {.fd = vmx_queue_fd(self->session->queue), .events = POLLIN};
    struct timespec timeout = {(time_t)(wait_ns / BENCH_NS_PER_S), (long)(wait_ns % BENCH_NS_PER_S)};
    ppoll(&watched, 1, &timeout, NULL);
}

static void
run_open(loop *self)
{
    self->next_ns = bench_now_ns();
    while (bench_meter_tick(&self->meter, bench_now_ns()) && !self->failed) {
        start_due(self);
        if (self->first_free == self->slot_count)
            take_events(self, POLL_TIMEOUT_MS);
        else
            wait_for_due(self);
    }
    uint64_t now = bench_now_ns();
    start_due(self);
    self->meter.row->unstarted = now > self->next_ns ? (now - self->next_ns) / self->interval_ns : 0;
}

/* What is still in flight ends; of a closed loop it is not counted. */
static bool
drain(loop *self)
{
    uint64_t limit = bench_now_ns() + bench_ns(DRAIN_TIMEOUT_S);
    while (self->in_flight > 0 && bench_now_ns() < limit)
        take_events(self, POLL_TIMEOUT_MS);
    if (self->in_flight > 0)
        fprintf(stderr, "bench: %zu operations did not end within %d s\n", self->in_flight, DRAIN_TIMEOUT_S);
    return self->in_flight == 0;
}

bool
bench_loop_run(const bench_session *session, const bench_options *options, const bench_workload *workload,
               bench_row *row)
{
    loop self = {.session = session, .options = options, .workload = workload, .slot_count = row->in_flight};
    self.slots = calloc(self.slot_count, sizeof *self.slots);
    if (!self.slots)
        return false;
    self.first_free = self.slot_count;
    for (size_t i = self.slot_count; i-- > 0;)
        free_slot(&self, i);
    bench_meter_begin(&self.meter, row, options);
    if (options->rate > 0) {
        self.interval_ns = bench_ns(1 / options->rate);
        run_open(&self);
    } else {
        run_closed(&self);
    }
    row->checksum = self.checksum;
    bool drained = drain(&self);
    if (drained)
        free(self.slots);
    return drained && !self.failed;
}
