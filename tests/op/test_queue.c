/* A queue without a client: operations that end as the test likes, and several threads that poll. */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "core/suite.h"
#include "core/sync.h"
#include "op/op.h"
#include "op/queue.h"

enum { POLLERS = 4, EVENTS = 2000 };

static uint64_t
now(vmx_host *host)
{
    (void)host;
    return vmx_monotonic_us();
}

static void
nothing(vmx_host *host)
{
    (void)host;
}

static const vmx_host_vtable host_vtable = {.now = now, .drained = nothing, .destroy = nothing};

static void
no_more(vmx_op *op)
{
    (void)op;
}

static const vmx_op_vtable op_vtable = {.cancel = no_more, .destroy = no_more};

static atomic_size_t taken, ended;

/* Until it has got nothing: because of a wake. */
static void *
poll_until_woken(void *arg)
{
    vmx_event event;
    while (vmx_queue_poll(arg, &event, 1, VMX_FOREVER) == 1)
        atomic_fetch_add(&taken, 1);
    atomic_fetch_add(&ended, 1);
    return NULL;
}

/* False when it has not come to that after a while. */
static bool
reaches(atomic_size_t *count, size_t expected)
{
    for (int i = 0; i < 20000 && atomic_load(count) < expected; i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    return atomic_load(count) == expected;
}

START_TEST(only_a_wake_ends_a_poll_without_events)
{
    static vmx_op ops[EVENTS];
    vmx_host host;
    vmx_queue *queue;
    pthread_t threads[POLLERS];
    ck_assert(vmx_host_init(&host, &host_vtable, false));
    ck_assert_int_eq(vmx_queue_create(&host, &queue, NULL), VMX_OK);
    for (size_t i = 0; i < POLLERS; i++)
        pthread_create(&threads[i], NULL, poll_until_woken, queue);
    for (size_t i = 0; i < EVENTS; i++) {
        vmx_op_init(&ops[i], &op_vtable, "test", &host, queue, NULL);
        vmx_queue_push(queue, &ops[i]);
    }
    ck_assert(reaches(&taken, EVENTS));
    ck_assert_uint_eq(atomic_load(&ended), 0);
    for (size_t i = 0; i < POLLERS; i++) {
        vmx_queue_wake(queue);
        ck_assert(reaches(&ended, i + 1));
    }
    for (size_t i = 0; i < POLLERS; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < EVENTS; i++)
        vmx_host_release(vmx_op_fini(&ops[i]));
    vmx_queue_free(queue);
    vmx_host_destroy(&host);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {only_a_wake_ends_a_poll_without_events, NULL};
    return run_suite("op_queue", tests);
}
