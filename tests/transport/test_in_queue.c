/*
 * What happens on a loop's own thread while it sleeps in the core's queue. There the core calls back when it drops what it was
 * lent, and a release may set timers, post tasks, end operations. Here the test stands in for the core: this program's
 * grpc_completion_queue_next calls it first.
 */
#include <grpc/grpc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <vecmux/mock.h>
#include <vecmux/vecmux.h>

#include "core/suite.h"
#include "core/sync.h"
#include "op/op.h"
#include "op/queue.h"
#include "transport/grpc/grpc_transport.h"
#include "transport/transport.h"

enum { SOON_MS = 5000 }; /* a limit: what is not lost comes at once */

static void (*_Atomic in_queue)(void);

/* Visible: the linker of a sanitized build counts the libraries' calls too. */
#define IN_PLACE __attribute__((visibility("default")))

grpc_event
__real_grpc_completion_queue_next(grpc_completion_queue *queue, gpr_timespec deadline, void *reserved);
IN_PLACE grpc_event
__wrap_grpc_completion_queue_next(grpc_completion_queue *queue, gpr_timespec deadline, void *reserved);

grpc_event
__wrap_grpc_completion_queue_next(grpc_completion_queue *queue, gpr_timespec deadline, void *reserved)
{
    void (*hook)(void) =
        gpr_time_cmp(deadline, gpr_now(GPR_CLOCK_MONOTONIC)) > 0 ? atomic_exchange(&in_queue, NULL) : NULL;
    if (hook != NULL)
        hook();
    return __real_grpc_completion_queue_next(queue, deadline, reserved);
}

/* --- a transport --------------------------------------------------------------------------------------------------- */

static vmx_transport *transport;
static vmx_loop *loop;
static atomic_size_t happened;

static void
open_transport(void)
{
    vmx_error error;
    ck_assert_int_eq(vmx_grpc_transport_new(1, &transport, &error), VMX_OK);
    loop = transport->loops[0];
}

/* Lets the loop go round once more, and in the queue have the hook called. */
static void
call_in_queue(void (*hook)(void))
{
    atomic_store(&in_queue, hook);
    transport->vtable->wake(loop);
}

static bool
has_happened(void)
{
    for (int i = 0; i < SOON_MS && atomic_load(&happened) == 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    return atomic_load(&happened) == 1;
}

static void
note_fired(vmx_timer *timer)
{
    (void)timer;
    atomic_fetch_add(&happened, 1);
}

static vmx_timer timer = {.fire = note_fired};

static void
set_timer(void)
{
    transport->vtable->timer_set(loop, &timer, vmx_deadline_us(vmx_monotonic_us(), 50));
}

START_TEST(a_timer_set_in_the_queue_fires)
{
    open_transport();
    call_in_queue(set_timer);
    ck_assert(has_happened());
    transport->vtable->shutdown(transport, true);
}
END_TEST

static void
note_run(vmx_task *task)
{
    (void)task;
    atomic_fetch_add(&happened, 1);
}

static vmx_task task = {.run = note_run};

static void
post_task(void)
{
    transport->vtable->post(loop, &task);
}

START_TEST(a_task_posted_in_the_queue_runs)
{
    open_transport();
    call_in_queue(post_task);
    ck_assert(has_happened());
    transport->vtable->shutdown(transport, true);
}
END_TEST

/* --- a transport that ends meanwhile ------------------------------------------------------------------------------- */

static _Thread_local bool posts_slowly;
static atomic_bool is_inside;

grpc_call_error
__real_grpc_call_start_batch(grpc_call *call, const grpc_op *ops, size_t count, void *tag, void *reserved);
IN_PLACE grpc_call_error
__wrap_grpc_call_start_batch(grpc_call *call, const grpc_op *ops, size_t count, void *tag, void *reserved);

grpc_call_error
__wrap_grpc_call_start_batch(grpc_call *call, const grpc_op *ops, size_t count, void *tag, void *reserved)
{
    if (posts_slowly) {
        atomic_store(&is_inside, true);
        nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
    }
    grpc_call_error error = __real_grpc_call_start_batch(call, ops, count, tag, reserved);
    if (posts_slowly)
        atomic_store(&is_inside, false);
    return error;
}

static void *
post_slowly(void *arg)
{
    (void)arg;
    posts_slowly = true;
    post_task();
    return NULL;
}

/* The task runs before the poster has woken the loop, which is awake for another reason. */
START_TEST(a_loop_waits_for_those_who_post)
{
    pthread_t poster;
    open_transport();
    ck_assert_int_eq(pthread_create(&poster, NULL, post_slowly, NULL), 0);
    while (!atomic_load(&is_inside))
        sched_yield();
    transport->vtable->wake(loop);
    ck_assert(has_happened());
    transport->vtable->shutdown(transport, true);
    ck_assert(!atomic_load(&is_inside));
    pthread_join(poster, NULL);
}
END_TEST

/* --- operations ---------------------------------------------------------------------------------------------------- */

static uint64_t
now(vmx_host *host)
{
    (void)host;
    return vmx_monotonic_us();
}

static void
no_end(vmx_host *host)
{
    (void)host;
}

static void
no_more(vmx_op *op)
{
    (void)op;
}

static const vmx_host_vtable host_vtable = {.now = now, .drained = no_end, .destroy = no_end};
static const vmx_op_vtable op_vtable = {.cancel = no_more, .destroy = no_more};
static vmx_queue *queue;
static vmx_op op;

static void
push(void)
{
    vmx_queue_push(queue, &op);
}

START_TEST(an_operation_that_ends_in_the_queue_is_announced)
{
    vmx_host host;
    vmx_event event;
    open_transport();
    ck_assert(vmx_host_init(&host, &host_vtable, false));
    ck_assert_int_eq(vmx_queue_create(&host, &queue, NULL), VMX_OK);
    vmx_op_init(&op, &op_vtable, "test", &host, queue, NULL);
    call_in_queue(push);
    uint64_t began_us = vmx_monotonic_us();
    ck_assert_uint_eq(vmx_queue_poll(queue, &event, 1, 2 * SOON_MS), 1);
    ck_assert_uint_lt(vmx_monotonic_us() - began_us, SOON_MS * UINT64_C(1000));
    vmx_host_release(vmx_op_fini(&op));
    vmx_queue_free(queue);
    transport->vtable->shutdown(transport, true);
    vmx_host_destroy(&host);
}
END_TEST

/* --- a client that is driven --------------------------------------------------------------------------------------- */

static vmx_op *waited_for;

static void
cancel_op(void)
{
    vmx_op_cancel(waited_for);
}

static vmx_client *
open_driven(int port)
{
    vmx_error error;
    vmx_client *client;
    char endpoint[32];
    vmx_config *config = vmx_config_new();
    snprintf(endpoint, sizeof endpoint, "127.0.0.1:%d", port);
    ck_assert_int_eq(vmx_config_set(config, VMX_STR("endpoint"), vmx_str_from(endpoint), &error), VMX_OK);
    ck_assert_int_eq(vmx_config_set(config, VMX_STR("io.threads"), VMX_STR("0"), &error), VMX_OK);
    ck_assert_int_eq(vmx_config_set(config, VMX_STR("channel.count"), VMX_STR("1"), &error), VMX_OK);
    ck_assert_msg(vmx_client_open(config, &client, &error) == VMX_OK, "%s", error.message);
    vmx_config_free(config);
    return client;
}

/* Of a call that pauses before its next attempt no completion comes when it is cancelled. */
static vmx_op *
start_patient(vmx_index *records)
{
    vmx_error error;
    vmx_op *started;
    vmx_retry retry;
    vmx_call_options options;
    vmx_retry_init(&retry, sizeof retry, VMX_RETRY_DEFAULT);
    retry.initial_backoff_ms = retry.max_backoff_ms = 10 * SOON_MS;
    retry.jitter = VMX_JITTER_NONE;
    vmx_call_options_init(&options, sizeof options);
    options.retry = &retry;
    options.timeout_ms = VMX_FOREVER;
    ck_assert_msg(vmx_index_stats(records, &options, &started, &error) == VMX_OK, "%s", error.message);
    return started;
}

START_TEST(a_driver_sees_the_end_that_came_in_the_queue)
{
    vmx_error error;
    vmx_mock *mock;
    vmx_mock_answer no;
    vmx_index *records;
    ck_assert_int_eq(vmx_mock_start(NULL, &mock, &error), VMX_OK);
    vmx_mock_answer_init(&no, sizeof no);
    no.grpc_code = 14;
    ck_assert_int_eq(vmx_mock_default(mock, VMX_STR(""), &no, &error), VMX_OK);
    vmx_client *client = open_driven(vmx_mock_port(mock));
    ck_assert_int_eq(vmx_index_open(client, VMX_STR(""), VMX_STR(""), &records, &error), VMX_OK);
    waited_for = start_patient(records);
    while (vmx_client_poll(client, 300) > 0 || vmx_mock_call_count(mock, VMX_STR("")) == 0)
        ; /* until it pauses */
    atomic_store(&in_queue, cancel_op);
    uint64_t began_us = vmx_monotonic_us();
    ck_assert_int_eq(vmx_op_wait(waited_for, 2 * SOON_MS), VMX_ERR_CANCELLED);
    ck_assert_uint_lt(vmx_monotonic_us() - began_us, SOON_MS * UINT64_C(1000));
    vmx_op_free(waited_for);
    vmx_index_free(records);
    ck_assert_int_eq(vmx_client_close(client, SOON_MS, &error), VMX_OK);
    vmx_client_free(client);
    vmx_mock_stop(mock);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {a_timer_set_in_the_queue_fires,
                                  a_task_posted_in_the_queue_runs,
                                  a_loop_waits_for_those_who_post,
                                  an_operation_that_ends_in_the_queue_is_announced,
                                  a_driver_sees_the_end_that_came_in_the_queue,
                                  NULL};
    return run_suite("transport_in_queue", tests);
}
