/* Which connection a call goes to: caps, lines, ejection, age. */
#include <string.h>

#include "core/suite.h"
#include "rpc/callers.h"
#include "rpc/harness.h"
#include "rpc/link.h"

#define MS     1000u
#define SECOND 1000000u

static vmx_channel_info
info_of(const world *w, size_t i)
{
    vmx_channel_info info;
    vmx_channel_info_init(&info, sizeof info);
    ck_assert(vmx_client_channel(w->client, i, &info));
    return info;
}

static size_t
count_on(const world *w, const vmx_channel *channel)
{
    size_t count = 0;
    for (size_t i = 0; i < w->count; i++)
        count += w->sightings[i].channel == channel;
    return count;
}

static vmx_op *
query_with_timeout(world *w, int64_t timeout_ms)
{
    vmx_call_options options = world_options(NULL);
    options.timeout_ms = timeout_ms;
    return world_query(w, &options);
}

/* --- spreading and lines ------------------------------------------------------------------------------------------- */

START_TEST(calls_spread_over_the_connections)
{
    static const answer slow = {.delay_us = 50 * MS};
    world *w = world_new(1, NULL);
    vmx_op *ops[8];
    world_script(w, &slow, 1);
    for (size_t i = 0; i < 8; i++)
        ops[i] = world_query(w, NULL);
    for (size_t i = 0; i < 4; i++) {
        ck_assert_uint_eq(info_of(w, i).calls_in_flight, 2);
        ck_assert_uint_eq(count_on(w, world_channel(w, i)), 2);
    }
    for (size_t i = 0; i < 8; i++) {
        ck_assert_int_eq(world_wait(ops[i]), VMX_OK);
        vmx_op_free(ops[i]);
    }
    world_free(w);
}
END_TEST

/* Two connections of three are silent, and so have the fewest calls in flight; the third is busy and answers. */
START_TEST(a_call_leaves_silent_connections_for_one_that_works)
{
    static const answer script[] = {
        {.delay_us = 100 * SECOND}, {.delay_us = ANSWER_NEVER}, {.delay_us = ANSWER_NEVER}, {.delay_us = 0}};
    const char *const properties[] = {"channel.count", "3", NULL};
    world *w = world_new(1, properties);
    world_script(w, script, 4);
    vmx_op *busy = world_query(w, NULL);
    vmx_retry retry = world_policy(VMX_RETRY_DEFAULT);
    retry.attempt_timeout_ms = 100;
    vmx_call_options options = world_options(&retry);
    vmx_op *op = world_query(w, &options);
    ck_assert_int_eq(world_wait(op), VMX_OK);
    ck_assert_uint_eq(w->count, 4);
    ck_assert_ptr_ne(w->sightings[1].channel, w->sightings[0].channel);
    ck_assert_ptr_ne(w->sightings[2].channel, w->sightings[0].channel);
    ck_assert_ptr_ne(w->sightings[2].channel, w->sightings[1].channel);
    ck_assert_ptr_eq(w->sightings[3].channel, w->sightings[0].channel);
    vmx_op_free(op);
    vmx_op_free(busy);
    world_free(w);
}
END_TEST

/* Request sizes tell the calls apart. */
START_TEST(calls_beyond_the_cap_wait_in_line)
{
    static const answer slow = {.delay_us = 10 * MS};
    const char *const properties[] = {"channel.count", "2", "channel.max.streams", "2", NULL};
    world *w = world_new(1, properties);
    vmx_op *ops[12];
    world_script(w, &slow, 1);
    for (size_t i = 0; i < 12; i++)
        ops[i] = world_upsert_many(w, 1, 4 + i, NULL);
    ck_assert_uint_eq(w->count, 4);
    for (size_t i = 0; i < 12; i++) {
        ck_assert_int_eq(world_wait(ops[i]), VMX_OK);
        vmx_op_free(ops[i]);
    }
    ck_assert_uint_eq(w->count, 12);
    for (size_t i = 1; i < 12; i++) /* first come, first served */
        ck_assert_uint_gt(w->sightings[i].size_bytes, w->sightings[i - 1].size_bytes);
    ck_assert_double_eq(world_ms(w, w->sightings[11].at_us), 20);
    world_free(w);
}
END_TEST

START_TEST(one_that_leaves_the_line_holds_nobody_up)
{
    static const answer slow = {.delay_us = 100 * MS};
    const char *const properties[] = {"channel.count", "1", "channel.max.streams", "1", NULL};
    world *w = world_new(1, properties);
    world_script(w, &slow, 1);
    vmx_op *first = world_query(w, NULL);
    vmx_op *late = query_with_timeout(w, 50);
    vmx_op *freed = world_query(w, NULL);
    vmx_op *last = world_query(w, NULL);
    vmx_op_free(freed);
    ck_assert_int_eq(world_wait(late), VMX_ERR_DEADLINE);
    ck_assert_double_eq(world_ms(w, world_now(w)), 50);
    ck_assert_int_eq(world_wait(last), VMX_OK);
    ck_assert_double_eq(world_ms(w, world_now(w)), 200);
    ck_assert_int_eq(vmx_op_status(first), VMX_OK);
    ck_assert_uint_eq(w->count, 2);
    vmx_op_free(first);
    vmx_op_free(late);
    vmx_op_free(last);
    world_free(w);
}
END_TEST

START_TEST(an_idle_connection_is_made_again)
{
    const char *const properties[] = {"channel.count", "1", NULL};
    world *w = world_new(1, properties);
    vmx_fake_channel_state(world_channel(w, 0), VMX_CHANNEL_IDLE, 0);
    world_run(w, 500);
    ck_assert_int_eq(info_of(w, 0).state, VMX_CHANNEL_CONNECTING);
    world_run(w, 1 * MS);
    ck_assert_int_eq(info_of(w, 0).state, VMX_CHANNEL_READY);
    ck_assert_uint_eq(info_of(w, 0).reconnects, 1);
    world_free(w);
}
END_TEST

/* --- health -------------------------------------------------------------------------------------------------------- */

typedef struct stall {
    const vmx_channel *channel; /* accepts, never answers */
    size_t begun, begun_while_ejected, failed_before_ejection;
} stall;

static void
answer_but_on_one(world *w, size_t n, const sighting *seen)
{
    stall *s = w->user;
    (void)n;
    if (seen->channel != s->channel) {
        world_answer(seen->stream, &(answer){.delay_us = 5 * MS});
        return;
    }
    s->begun++;
    s->begun_while_ejected += info_of(w, 2).ejected;
}

static void
note_failure(world *w, const sighting *seen)
{
    stall *s = w->user;
    if (seen->channel == s->channel && info_of(w, 2).ejections == 0)
        s->failed_before_ejection++;
}

START_TEST(a_stalled_connection_is_left_alone)
{
    world *w = world_new(1, NULL);
    stall s = {.channel = world_channel(w, 2)};
    vmx_retry retry = world_policy(VMX_RETRY_DEFAULT);
    retry.attempt_timeout_ms = 200;
    w->on_stream = answer_but_on_one;
    w->on_dropped = note_failure;
    w->user = &s;
    callers c = {.count = 16, .until_us = world_now(w) + SECOND, .retry = &retry};
    callers_run(w, &c);
    ck_assert_uint_eq(c.succeeded, c.calls);                                 /* none is lost */
    ck_assert_double_le(callers_quantile(&c, 1), 200 + 100 + 200 + 200 + 5); /* it met nobody three times */
    ck_assert_uint_ge(info_of(w, 2).ejections, 1);
    ck_assert_uint_le(s.failed_before_ejection, 10);
    ck_assert_uint_eq(s.begun_while_ejected, 0);
    ck_assert_uint_le(s.begun, 10);
    free(c.durations);
    world_free(w);
}
END_TEST

/* Before a connection has failed often enough to be left alone, its calls already go elsewhere, even to a busier one. */
START_TEST(a_repeated_call_takes_another_connection)
{
    world *w = world_new(5, (const char *const[]){"channel.count", "2", NULL});
    const answer script[] = {{.delay_us = ANSWER_NEVER}, {.delay_us = ANSWER_NEVER}, {.grpc_code = VMX_GRPC_OK}};
    world_script(w, script, 3);
    vmx_op *busy = world_query(w, NULL);
    vmx_retry retry = world_policy(VMX_RETRY_INTERACTIVE);
    retry.attempt_timeout_ms = 100;
    vmx_call_options options = world_options(&retry);
    vmx_op *op = world_query(w, &options);
    ck_assert_int_eq(world_wait(op), VMX_OK);
    ck_assert_uint_eq(w->count, 3);
    ck_assert_ptr_ne(w->sightings[0].channel, w->sightings[1].channel);
    ck_assert_ptr_eq(w->sightings[0].channel, w->sightings[2].channel);
    vmx_op_free(op);
    vmx_op_free(busy);
    world_free(w);
}
END_TEST

START_TEST(never_all_connections_are_left_alone)
{
    static const answer silence = {.delay_us = ANSWER_NEVER};
    const char *const properties[] = {
        "channel.count", "2", "outlier.consecutive", "1", "retry.max.attempts", "1", NULL};
    world *w = world_new(1, properties);
    world_script(w, &silence, 1);
    for (size_t i = 0; i < 6; i++) {
        vmx_op *op = query_with_timeout(w, 50);
        ck_assert_int_eq(world_wait(op), VMX_ERR_DEADLINE);
        ck_assert_uint_eq(w->count, i + 1);
        vmx_op_free(op);
    }
    ck_assert(info_of(w, 0).ejected && info_of(w, 1).ejected);
    world_free(w);
}
END_TEST

START_TEST(a_refusal_by_the_server_is_no_fault_of_the_connection)
{
    static const answer down = {.grpc_code = VMX_GRPC_UNAVAILABLE, .reach = VMX_REACH_SERVER, .text = "no"};
    const char *const properties[] = {
        "channel.count", "1", "outlier.consecutive", "1", "retry.max.attempts", "9", NULL};
    world *w = world_new(1, properties);
    world_script(w, &down, 1);
    vmx_op *op = world_query(w, NULL);
    ck_assert_int_eq(world_wait(op), VMX_ERR_UNAVAILABLE);
    ck_assert_uint_eq(info_of(w, 0).ejections, 0);
    vmx_op_free(op);
    world_free(w);
}
END_TEST

START_TEST(rather_a_place_in_line_than_an_ejected_connection)
{
    static const answer script[] = {
        {.grpc_code = VMX_GRPC_UNAVAILABLE, .reach = VMX_REACH_UNKNOWN, .text = "Socket closed"},
        {.delay_us = 30 * MS}};
    const char *const properties[] = {
        "channel.count", "2", "channel.max.streams", "1", "outlier.consecutive", "1", "retry.max.attempts", "1", NULL};
    world *w = world_new(1, properties);
    world_script(w, script, 2);
    vmx_op *broken = world_query(w, NULL);
    ck_assert_int_eq(world_wait(broken), VMX_ERR_UNAVAILABLE);
    vmx_op *first = world_query(w, NULL), *second = world_query(w, NULL);
    ck_assert_uint_eq(w->count, 2);
    ck_assert_int_eq(world_wait(first), VMX_OK);
    ck_assert_int_eq(world_wait(second), VMX_OK);
    ck_assert_ptr_ne(w->sightings[1].channel, w->sightings[0].channel);
    ck_assert_ptr_eq(w->sightings[2].channel, w->sightings[1].channel);
    vmx_op_free(broken);
    vmx_op_free(first);
    vmx_op_free(second);
    world_free(w);
}
END_TEST

/* --- age ----------------------------------------------------------------------------------------------------------- */

/* New connections take 40 ms. */
static void
connect_slowly(world *w, vmx_channel *channel)
{
    size_t *connections = w->user;
    ++*connections;
    vmx_fake_channel_state(channel, VMX_CHANNEL_CONNECTING, 0);
    vmx_fake_channel_state(channel, VMX_CHANNEL_READY, 40 * MS);
}

/* The long call of the first connection, and short ones meanwhile. */
START_TEST(an_old_connection_is_replaced_first_and_drained_then)
{
    static const answer script[] = {{.delay_us = 3 * SECOND}, {.delay_us = 1 * MS}};
    const char *const properties[] = {"channel.count", "1", "channel.max.age.ms", "1000", NULL};
    size_t connections = 0;
    world *w = world_blank();
    w->on_connect = connect_slowly;
    w->user = &connections;
    world_script(w, script, 2);
    world_open(w, 1, properties);
    vmx_op *lasting = world_query(w, NULL);
    while (world_now(w) < 2 * SECOND) {
        vmx_op *brief = world_query(w, NULL);
        ck_assert_int_eq(world_wait(brief), VMX_OK);
        vmx_op_free(brief);
        world_run(w, 10 * MS);
    }
    ck_assert_uint_ge(connections, 2);
    ck_assert_uint_eq(w->client->pool->locked.open, 2); /* the old one still serves its call */
    ck_assert(!vmx_op_done(lasting));
    const vmx_channel *old = w->sightings[0].channel;
    size_t last_on_old = 0;
    for (size_t i = 0; i < w->count; i++)
        if (w->sightings[i].channel == old)
            last_on_old = i;
    /* between 900 and 1100 ms of age, and the 40 ms that the new one took to connect, without a gap in the service */
    ck_assert_uint_ge(w->sightings[last_on_old].at_us, 900 * MS);
    ck_assert_uint_le(w->sightings[last_on_old].at_us, 1160 * MS);
    ck_assert_uint_le(w->sightings[last_on_old + 1].at_us - w->sightings[last_on_old].at_us, 12 * MS);
    ck_assert_int_eq(world_wait(lasting), VMX_OK);
    world_run(w, 1 * MS);
    ck_assert_uint_eq(w->client->pool->locked.open, 1);
    vmx_op_free(lasting);
    world_free(w);
}
END_TEST

static bool link_fails;

static void *
realloc_without_link(void *ptr, size_t size, void *user)
{
    (void)user;
    bool fails = link_fails && size == sizeof(vmx_link);
    link_fails = link_fails && !fails;
    return fails ? NULL : realloc(ptr, size);
}

static void *
malloc_without_link(size_t size, void *user)
{
    return realloc_without_link(NULL, size, user);
}

static void
free_any(void *ptr, void *user)
{
    (void)user;
    free(ptr);
}

START_TEST(an_old_connection_is_replaced_when_there_is_memory_again)
{
    const char *const properties[] = {"channel.count", "1", "channel.max.age.ms", "1000", NULL};
    vmx_channel_info info;
    vmx_channel_info_init(&info, sizeof info);
    vmx_set_allocator(&(vmx_allocator){malloc_without_link, realloc_without_link, free_any, NULL});
    world *w = world_new(1, properties);
    link_fails = true;
    for (int i = 0; i < 3; i++) {
        world_run(w, 2 * SECOND);
        vmx_op *op = world_query(w, NULL);
        ck_assert_int_eq(world_wait(op), VMX_OK);
        vmx_op_free(op);
    }
    world_run(w, 1 * SECOND);
    ck_assert(!link_fails);
    ck_assert(vmx_client_channel(w->client, 0, &info));
    ck_assert_uint_gt(info.reconnects, 0);
    world_free(w);
    vmx_set_allocator(NULL);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        calls_spread_over_the_connections,
        calls_beyond_the_cap_wait_in_line,
        one_that_leaves_the_line_holds_nobody_up,
        an_idle_connection_is_made_again,
        a_call_leaves_silent_connections_for_one_that_works,
        a_repeated_call_takes_another_connection,
        a_stalled_connection_is_left_alone,
        never_all_connections_are_left_alone,
        a_refusal_by_the_server_is_no_fault_of_the_connection,
        rather_a_place_in_line_than_an_ejected_connection,
        an_old_connection_is_replaced_first_and_drained_then,
        an_old_connection_is_replaced_when_there_is_memory_again,
        NULL,
    };
    return run_suite("rpc_pool", tests);
}
