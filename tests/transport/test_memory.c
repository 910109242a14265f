/* Every allocation of the gRPC transport fails once. */
#include <stdlib.h>

#include "transport/grpc/grpc_transport.h"
#include "transport/harness.h"
#include "transport/suites.h"

static atomic_long allocations_left;

static void *
failing_malloc(size_t size, void *user)
{
    (void)user;
    return atomic_fetch_sub(&allocations_left, 1) <= 0 ? NULL : malloc(size);
}

static void *
failing_realloc(void *ptr, size_t size, void *user)
{
    (void)user;
    return atomic_fetch_sub(&allocations_left, 1) <= 0 ? NULL : realloc(ptr, size);
}

static void
failing_free(void *ptr, void *user)
{
    (void)user;
    free(ptr);
}

enum { NO_END = -2 };

static void
note_end(void *user, const vmx_stream_event *event)
{
    *(int *)user = event->reply->grpc_code;
}

static bool
is_set(void *arg)
{
    return *(int *)arg != NO_END;
}

/* One transport, channel and call with only `count` allocations; true when they were enough. */
static bool
call_with(long count, int port, const vmx_message *message)
{
    atomic_store(&allocations_left, count);
    vmx_transport *transport;
    vmx_error error;
    if (vmx_grpc_transport_new(0, &transport, &error) != VMX_OK) {
        ck_assert_int_eq(error.code, VMX_ERR_NO_MEMORY);
        return false;
    }
    test_harness own = {.transport = transport, .vtable = transport->vtable, .loop = transport->loops[0]};
    char target[64];
    vmx_channel_options options = harness_options(target, port);
    test_channel state = {.harness = &own};
    options.on_state = harness_on_state;
    options.user = &state;
    int code = NO_END;
    vmx_status status = own.vtable->channel_open(transport, &options, &state.channel, &error);
    if (status == VMX_OK) {
        vmx_stream_options stream = {.channel = state.channel,
                                     .method = "/test/Echo",
                                     .request = message,
                                     .wait_for_ready = true,
                                     .deadline_us = VMX_NEVER,
                                     .on_event = note_end,
                                     .user = &code};
        vmx_stream *call = own.vtable->start(own.loop, &stream);
        if (call != NULL) {
            ck_assert_msg(harness_wait(&own, is_set, &code, 10000), "%ld allocations: no end in state %d", count,
                          atomic_load(&state.state));
            ck_assert(code == VMX_GRPC_OK || code == -1);
            own.vtable->close(call);
        }
        own.vtable->channel_close(state.channel);
    } else {
        ck_assert_int_eq(error.code, VMX_ERR_NO_MEMORY);
    }
    own.vtable->shutdown(transport, true);
    return code == VMX_GRPC_OK;
}

START_TEST(any_allocation_may_fail)
{
    enum { SLICES = 6, MAX = 100 };
    echo_server *server = echo_server_start(0, NULL, NULL);
    vmx_message message = make_message(300000, 1);
    vmx_slice *parts = calloc(SLICES, sizeof *parts);
    for (size_t i = 0; i < SLICES; i++)
        parts[i] = (vmx_slice){message.slices[0].data + i * 50000, 50000, message.slices[0].block};
    vmx_message in_parts = {.slices = parts, .count = SLICES, .size_bytes = SLICES * 50000};
    vmx_set_allocator(&(vmx_allocator){failing_malloc, failing_realloc, failing_free, NULL});
    long count = 0;
    while (count < MAX && !call_with(count, echo_server_port(server), &in_parts))
        count++;
    vmx_set_allocator(NULL);
    ck_assert_int_gt(count, 5);
    ck_assert_int_lt(count, MAX);
    free(parts);
    vmx_message_clear(&message);
    echo_server_stop(server);
}
END_TEST

TCase *
memory_cases(void)
{
    TCase *tcase = tcase_create("memory");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, any_allocation_may_fail);
    return tcase;
}
