/*
 * Random schedules against the contract of operations: starts, cancels, frees, failures of all kinds, pushbacks, attempt
 * timeouts, connections that come and go, hedges, late loops, closes. Each schedule follows from its seed alone.
 *
 *   rpc_schedules [--count N] [--seed N]    runs N schedules, or the one of a seed, and says which seed broke what
 *
 * Seen to hold: one completion of each operation, none after its free and none inside its start; every operation ends by
 * its deadline; no attempt begins after it; attempts, retry budget, gate and cap of streams are kept to; after the end of
 * the client nothing is left, no stream and no byte.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/failing_allocator.h"
#include "core/random.h"
#include "rpc/harness.h"
#include "rpc/link.h"
#include "rpc/seed.h"

#define MAX_OPS     40
#define LATE_MAX_US 300000

typedef struct slot {
    vmx_op *op;
    uint64_t deadline_us;
    vmx_retry retry;
    bool freed;
    int events;
} slot;

typedef struct schedule {
    uint64_t seed;
    vmx_random random;
    world *w;
    slot slots[MAX_OPS];
    size_t count;
    bool closing;
    int64_t budget_tokens;
    size_t successes; /* answers that may have refilled the budget */
    size_t broken;    /* answers that are the connection's, not the server's: they take no token */
    size_t repeats;   /* attempts that were not the first of their call */
} schedule;

static void
broken(const schedule *s, const char *what)
{
    fprintf(stderr, "seed %llu at %llu us: %s\n", (unsigned long long)s->seed,
            s->w != NULL && s->w->transport != NULL ? (unsigned long long)world_now(s->w) : 0, what);
    seed_tell();
    _exit(EXIT_FAILURE);
}

static void
holds(const schedule *s, bool fine, const char *what)
{
    if (!fine)
        broken(s, what);
}

static uint64_t
draw(schedule *s, uint64_t bound)
{
    return vmx_random_up_to(&s->random, bound);
}

static bool
chance(schedule *s, unsigned percent)
{
    return draw(s, 99) < percent;
}

/* --- the server ---------------------------------------------------------------------------------------------------- */

static answer
draw_failure(schedule *s)
{
    static const int codes[] = {VMX_GRPC_UNAVAILABLE,        VMX_GRPC_UNAVAILABLE, VMX_GRPC_ABORTED,
                                VMX_GRPC_RESOURCE_EXHAUSTED, VMX_GRPC_INTERNAL,    VMX_GRPC_INVALID_ARGUMENT,
                                VMX_GRPC_DEADLINE_EXCEEDED,  VMX_GRPC_CANCELLED};
    static const char *const pushbacks[] = {"0", "5", "200", "-1", "soon"};
    answer how = {.grpc_code = codes[draw(s, 7)], .reach = (vmx_reach)draw(s, 2), .text = "no"};
    if (how.grpc_code != VMX_GRPC_UNAVAILABLE && how.reach == VMX_REACH_NONE)
        how.reach = VMX_REACH_SERVER;
    if (how.reach == VMX_REACH_SERVER && chance(s, 25)) {
        how.key = "grpc-retry-pushback-ms";
        how.value = pushbacks[draw(s, 4)];
    }
    return how;
}

static answer
draw_answer(schedule *s, const sighting *seen)
{
    answer how = {0};
    if (chance(s, 40))
        how = draw_failure(s);
    else if (strcmp(seen->method, "/VectorService/List") == 0 && chance(s, 50))
        how.body = world_more_pages;
    else if (chance(s, 5))
        how.body = "\xff\xff";
    if (how.grpc_code == VMX_GRPC_OK && chance(s, 80)) {
        how.key = "x-pinecone-max-indexed-lsn";
        how.value = chance(s, 70) ? "1" : "2";
    }
    how.delay_us = chance(s, 30) ? 0 : chance(s, 10) ? ANSWER_NEVER : draw(s, chance(s, 20) ? 800000 : 40000);
    return how;
}

static const vmx_link *
link_of(const schedule *s, const vmx_channel *channel)
{
    const vmx_link *link = s->w->client->pool->locked.all;
    while (link != NULL && link->channel != channel)
        link = link->next;
    return link;
}

static void
on_stream(world *w, size_t n, const sighting *seen)
{
    schedule *s = w->user;
    const vmx_pool *pool = w->client->pool;
    const vmx_gate *gate = &pool->locked.gate;
    const vmx_link *link = link_of(s, seen->channel);
    (void)n;
    holds(s, seen->at_us < seen->deadline_us, "an attempt began after its deadline");
    holds(s, link != NULL && !link->closing, "an attempt began on a channel that was closed");
    holds(s, link->in_flight <= pool->options.max_streams, "more streams than the cap");
    holds(s, gate->limit == 0 || (double)gate->in_flight <= gate->limit, "more calls than the gate's limit");
    s->repeats += seen->previous[0] != '\0';
    answer how = draw_answer(s, seen);
    if (how.delay_us != ANSWER_NEVER && how.grpc_code == VMX_GRPC_OK)
        s->successes++;
    if (how.delay_us != ANSWER_NEVER && how.grpc_code != VMX_GRPC_OK && how.reach != VMX_REACH_SERVER)
        s->broken++;
    world_answer(seen->stream, &how);
}

static void
on_connect(world *w, vmx_channel *channel)
{
    schedule *s = w->user;
    uint64_t delay_us = draw(s, 20000);
    vmx_fake_channel_state(channel, VMX_CHANNEL_CONNECTING, 0);
    if (chance(s, 25)) {
        vmx_fake_channel_state(channel, VMX_CHANNEL_FAILING, delay_us);
        delay_us += 1 + draw(s, 400000);
        vmx_fake_channel_state(channel, VMX_CHANNEL_CONNECTING, delay_us++);
    }
    vmx_fake_channel_state(channel, VMX_CHANNEL_READY, delay_us);
}

/* --- actions ------------------------------------------------------------------------------------------------------- */

static vmx_retry
draw_policy(schedule *s)
{
    vmx_retry retry;
    vmx_retry_init(&retry, sizeof retry, (vmx_retry_preset)draw(s, 3));
    retry.jitter = (vmx_jitter)draw(s, 3);
    if (chance(s, 30))
        retry.max_attempts = 1 + (uint32_t)draw(s, 40);
    if (chance(s, 30))
        retry.initial_backoff_ms = 0;
    if (chance(s, 30))
        retry.attempt_timeout_ms = 1 + (int64_t)draw(s, 200);
    if (chance(s, 40))
        retry.hedge_delay_ms = 1 + (int64_t)draw(s, 50);
    if (chance(s, 20))
        retry.retriable_codes = 1u << VMX_GRPC_INTERNAL | 1u << VMX_GRPC_UNAVAILABLE;
    retry.idempotent = (int32_t)draw(s, 2) - 1;
    return retry;
}

static vmx_op *
start_some(schedule *s, const vmx_call_options *options)
{
    vmx_op *op = NULL;
    switch (draw(s, 5)) {
    case 0:
        return world_upsert(s->w, options);
    case 1:
        return world_update(s->w, options);
    case 2:
        return world_list(s->w, options);
    case 3:
        holds(s, vmx_index_wait_visible(s->w->index, 2, options, &op, NULL) == VMX_OK, "wait_visible does not start");
        return op;
    default:
        return world_query(s->w, options);
    }
}

static void
act_start(schedule *s)
{
    if (s->count == MAX_OPS || s->closing)
        return;
    slot *into = &s->slots[s->count];
    into->retry = draw_policy(s);
    vmx_call_options options = world_options(&into->retry);
    options.timeout_ms = 1 + (int64_t)draw(s, chance(s, 50) ? 100 : 3000);
    options.wait_for_ready = (int32_t)draw(s, 2) - 1;
    options.queue = s->w->queue;
    options.user = into;
    into->deadline_us = world_now(s->w) + (uint64_t)options.timeout_ms * 1000;
    into->op = start_some(s, &options);
    s->count++;
    holds(s, !vmx_op_done(into->op), "an operation completed inside its start");
}

static slot *
draw_slot(schedule *s)
{
    slot *one = s->count > 0 ? &s->slots[draw(s, s->count - 1)] : NULL;
    return one != NULL && !one->freed ? one : NULL;
}

static void
act_cancel(schedule *s)
{
    slot *one = draw_slot(s);
    if (one != NULL)
        vmx_op_cancel(one->op);
}

static void
act_free(schedule *s)
{
    slot *one = draw_slot(s);
    if (one == NULL)
        return;
    one->freed = true;
    vmx_op_free(one->op);
}

static void
act_poll(schedule *s)
{
    vmx_event events[4];
    size_t count = vmx_queue_poll(s->w->queue, events, 1 + draw(s, 3), 0);
    for (size_t i = 0; i < count; i++) {
        slot *one = events[i].user;
        holds(s, !one->freed, "an event of an operation that was freed");
        holds(s, one->op == events[i].op && vmx_op_done(one->op), "an event of an operation that runs");
        holds(s, vmx_op_status(one->op) == events[i].status, "an event with another status");
        holds(s, ++one->events == 1, "two events of one operation");
    }
}

static void
act_flap(schedule *s)
{
    const vmx_pool *pool = s->w->client->pool;
    vmx_channel *channel = pool->places[draw(s, pool->count - 1)].link->channel;
    if (chance(s, 50)) {
        vmx_fake_channel_state(channel, VMX_CHANNEL_IDLE, 0);
        return;
    }
    vmx_fake_channel_state(channel, VMX_CHANNEL_FAILING, 0);
    vmx_fake_channel_state(channel, VMX_CHANNEL_CONNECTING, 1000 + draw(s, 300000));
    vmx_fake_channel_state(channel, VMX_CHANNEL_READY, 302000 + draw(s, 1000));
}

static void
act_close(schedule *s)
{
    vmx_error error;
    vmx_op *op;
    vmx_status status = vmx_client_close(s->w->client, (int64_t)draw(s, 20), &error);
    s->closing = true;
    holds(s, status == VMX_OK || status == VMX_ERR_TIMEOUT, "close failed");
    holds(s, vmx_index_list(s->w->index, NULL, NULL, &op, &error) == VMX_ERR_CLOSED, "a start after close");
}

static void
act(schedule *s)
{
    uint64_t dice = draw(s, 99);
    if (dice < 40)
        act_start(s);
    else if (dice < 48)
        act_cancel(s);
    else if (dice < 56)
        act_free(s);
    else if (dice < 66)
        act_poll(s);
    else if (dice < 71)
        act_flap(s);
    else if (dice < 75)
        vmx_fake_advance(s->w->transport, draw(s, LATE_MAX_US));
    else
        world_run(s->w, draw(s, chance(s, 70) ? 5000 : 300000));
}

/* --- a schedule ---------------------------------------------------------------------------------------------------- */

static const char *
pick(schedule *s, const char *const *values, size_t count)
{
    return values[draw(s, count - 1)];
}

#define PICK(s, ...)                                                                                                   \
    pick(s, (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static void
set_up(schedule *s)
{
    const char *tokens = PICK(s, "0", "4", "20");
    const char *const properties[] = {
        "retry.budget.tokens",
        tokens,
        "channel.count",
        PICK(s, "1", "2", "3"),
        "channel.max.streams",
        PICK(s, "1", "3", "100"),
        "hedge.cancels.per.second",
        PICK(s, "0", "2", "50"),
        "channel.max.age.ms",
        PICK(s, "0", "150"),
        "concurrency.adaptive",
        PICK(s, "true", "false"),
        "outlier.consecutive",
        PICK(s, "0", "2"),
        NULL,
    };
    s->w = world_blank();
    s->w->user = s;
    s->w->on_stream = on_stream;
    s->w->on_connect = on_connect;
    s->budget_tokens = strtol(tokens, NULL, 10);
    world_open(s->w, s->seed, properties);
}

static void
check_records(const schedule *s, const slot *one)
{
    uint32_t counted = 0, hedges = 0, transparent = 0;
    int64_t last_us = 0;
    for (size_t i = 0; i < vmx_op_attempt_count(one->op); i++) {
        vmx_attempt_info info;
        vmx_attempt_info_init(&info, sizeof info);
        holds(s, vmx_op_attempt(one->op, i, &info), "a record is missing");
        holds(s, info.start_us >= last_us && info.duration_us >= 0, "records out of order");
        last_us = info.start_us;
        hedges += info.why == VMX_ATTEMPT_HEDGE;
        transparent += info.why == VMX_ATTEMPT_TRANSPARENT;
        counted += info.why != VMX_ATTEMPT_HEDGE && info.why != VMX_ATTEMPT_TRANSPARENT;
    }
    holds(s, counted <= one->retry.max_attempts, "more attempts than the policy allows");
    holds(s, transparent <= 1, "more than one attempt that does not count");
    holds(s, hedges == 0 || one->retry.hedge_delay_ms > 0, "a hedge without a delay");
    holds(s, hedges <= counted + transparent, "more hedges than attempts");
}

static void
check_done(const schedule *s, const slot *one)
{
    holds(s, vmx_op_done(one->op), "an operation outlived its deadline");
    vmx_status status = vmx_op_status(one->op);
    const vmx_error *error = vmx_op_error(one->op);
    holds(s, status == error->code, "status and error differ");
    holds(s, status == VMX_OK || error->message[0] != '\0', "an error without a message");
    check_records(s, one);
}

/* A retry was allowed with more than half of the tokens left after its failure had taken one; so was a hedge, before. */
static void
check_budget(const schedule *s)
{
    const vmx_fake_counters *counters = vmx_fake_counters_of(s->w->transport);
    size_t not_connected = counters->started - s->w->count;
    double free_repeats = (double)(s->broken + not_connected);
    double bound = (double)s->budget_tokens / 2 + 0.2 * (double)s->successes + 1 + free_repeats;
    holds(s, s->budget_tokens == 0 || (double)s->repeats <= bound, "more retries than the budget allows");
}

/* Everything ends by its deadline, and the queue gives the rest. */
static void
settle(schedule *s)
{
    uint64_t last_us = world_now(s->w);
    for (size_t i = 0; i < s->count; i++)
        if (s->slots[i].deadline_us > last_us)
            last_us = s->slots[i].deadline_us;
    world_run(s->w, last_us - world_now(s->w));
    check_budget(s);
    for (size_t i = 0; i <= s->count; i++)
        act_poll(s);
    for (size_t i = 0; i < s->count; i++) {
        holds(s, s->slots[i].freed || s->slots[i].events == 1, "an operation without an event");
        if (!s->slots[i].freed)
            check_done(s, &s->slots[i]);
    }
}

/* The client's user lets go of everything, at once or in order. */
static void
end_client(schedule *s, bool abruptly)
{
    world *w = s->w;
    vmx_error error;
    if (!abruptly)
        holds(s, vmx_client_close(w->client, 0, &error) == VMX_OK, "close waits for nothing");
    vmx_client_free(w->client);
    w->transport = NULL;
    for (size_t i = 0; i < s->count; i++) {
        slot *one = &s->slots[i];
        if (one->freed)
            continue;
        holds(s, vmx_op_done(one->op), "an operation outlived its client");
        vmx_op_free(one->op);
    }
    vmx_queue_free(w->queue);
    vmx_index_free(w->index);
    free(w->sightings);
    free(w);
    s->w = NULL;
}

static failing_allocator memory;

static void
run(uint64_t seed)
{
    schedule *s = calloc(1, sizeof *s);
    if (s == NULL)
        abort();
    long before = memory.alive;
    s->seed = seed;
    seed_begin(seed);
    vmx_random_seed(&s->random, seed);
    set_up(s);
    size_t steps = 5 + draw(s, 50);
    for (size_t i = 0; i < steps; i++)
        act(s);
    bool abruptly = chance(s, 30);
    if (!abruptly && chance(s, 30))
        act_close(s);
    if (!abruptly && !s->closing)
        settle(s);
    if (s->closing)
        abruptly = true;
    end_client(s, abruptly);
    holds(s, memory.alive == before, "memory, or a stream, was left behind");
    free(s);
}

int
main(int argc, char **argv)
{
    uint64_t first = 1, count = 1000;
    for (int i = 1; i + 1 < argc; i += 2) {
        uint64_t value = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--seed") == 0) {
            first = value;
            count = 1;
        } else if (strcmp(argv[i], "--count") == 0) {
            count = value;
        }
    }
    seed_watch();
    failing_allocator_install(&memory, LONG_MAX);
    for (uint64_t seed = first; seed < first + count; seed++)
        run(seed);
    printf("%llu schedules\n", (unsigned long long)count);
    return 0;
}
