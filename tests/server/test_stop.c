/*
 * A stop while a call is served whose client has gone: the core has no connection left and says that it has stopped. The
 * call is answered after VMX_LATE_MS.
 */
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/suite.h"
#include "server/call.h"
#include "server/server.h"

static vmxd_call *_Atomic kept;
static atomic_bool answered;

static void
pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static void
keep(void *user, vmxd_call *call)
{
    (void)user;
    atomic_store(&kept, call);
}

static void *
answer_late(void *arg)
{
    vmxd_status status;
    const char *late_ms = getenv("VMX_LATE_MS");
    pause_ms(late_ms ? atol(late_ms) : 300);
    vmxd_refuse(&status, GRPC_STATUS_INTERNAL, "late");
    atomic_store(&answered, true);
    vmxd_call_fail(arg, &status);
    return NULL;
}

/* A call of an empty message that is given up once the server has it. */
static void
call_and_go(int port)
{
    char target[32];
    snprintf(target, sizeof target, "127.0.0.1:%d", port);
    grpc_completion_queue *queue = grpc_completion_queue_create_for_next(NULL);
    grpc_channel_credentials *credentials = grpc_insecure_credentials_create();
    grpc_channel *channel = grpc_channel_create(target, credentials, NULL);
    grpc_call *call =
        grpc_channel_create_call(channel, NULL, GRPC_PROPAGATE_DEFAULTS, queue, grpc_slice_from_static_string("/a/b"),
                                 NULL, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    grpc_slice nothing = grpc_empty_slice();
    grpc_byte_buffer *message = grpc_raw_byte_buffer_create(&nothing, 1);
    grpc_op ops[] = {{.op = GRPC_OP_SEND_INITIAL_METADATA},
                     {.op = GRPC_OP_SEND_MESSAGE, .data.send_message = {message}},
                     {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT}};
    ck_assert_int_eq(grpc_call_start_batch(call, ops, 3, queue, NULL), GRPC_CALL_OK);
    for (int i = 0; i < 1000 && atomic_load(&kept) == NULL; i++)
        grpc_completion_queue_next(queue, (gpr_timespec){.tv_nsec = 10000000, .clock_type = GPR_TIMESPAN}, NULL);
    ck_assert_ptr_nonnull(atomic_load(&kept));
    grpc_call_cancel(call, NULL);
    grpc_call_unref(call);
    grpc_byte_buffer_destroy(message);
    grpc_channel_destroy(channel);
    grpc_channel_credentials_release(credentials);
    grpc_completion_queue_shutdown(queue);
    while (grpc_completion_queue_next(queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL).type != GRPC_QUEUE_SHUTDOWN)
        continue;
    grpc_completion_queue_destroy(queue);
}

START_TEST(stop_waits_for_what_is_served)
{
    grpc_init();
    vmxd_status status;
    vmxd_server_options options = {.listen = "127.0.0.1:0", .threads = 1, .handle = keep};
    vmxd_server *server = vmxd_server_start(&options, &status);
    ck_assert_ptr_nonnull(server);
    call_and_go(vmxd_server_port(server));
    pthread_t late;
    ck_assert_int_eq(pthread_create(&late, NULL, answer_late, atomic_load(&kept)), 0);
    vmxd_server_stop(server, 0);
    ck_assert(atomic_load(&answered));
    pthread_join(late, NULL);
    grpc_shutdown_blocking();
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {stop_waits_for_what_is_served, NULL};
    return run_suite("server_stop", tests);
}
