#include "server/discard.h"

#include <grpc/byte_buffer.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

#include "core/alloc.h"
#include "core/sync.h"
#include "core/tsan.h"
#include "server/discard_count.h"
#include "server/discard_reply.h"

/*
 * Cheap: one thread, methods registered with the core, the request received together with the call and one batch for the
 * whole answer, so two events for each call; the structs of calls are used again. Everything below belongs to that
 * thread, but what start and stop do while it does not run.
 */

enum {
    AWAITED_OF_HOT_METHOD = 128, /* queries and upserts that the core can hand out at once */
    AWAITED_OF_METHOD = 16,
    AWAITED_OF_OTHERS = 4,
    HOLD_IDLE_MS = 50,
    METHODS = VMXD_DISCARD_METHODS + 1 /* and those that are not known */
};

typedef struct method {
    const char *name;
    void *handle; /* of grpc_server_register_method; NULL: the methods that are not known */
    grpc_slice reply;
    bool counts; /* the reply is made of the request: Upsert */
    uint64_t calls;
    uint64_t bytes;
} method;

typedef struct call {
    method *method;
    grpc_call *core;
    bool arrived;
    struct call *next; /* in the list of free or of held ones */
    gpr_timespec deadline;
    grpc_call_details details; /* of a method that is not known */
    grpc_metadata_array headers;
    grpc_byte_buffer *request;
    grpc_byte_buffer reply;
    int cancelled;
} call;

struct vmxd_discard {
    grpc_server *server;
    grpc_completion_queue *queue;
    pthread_t thread;
    bool has_thread;
    int port;
    uint32_t hold;
    method methods[METHODS];
    call *free;
    call *first_held, *last_held;
    uint32_t held;
    uint64_t open, most_open;
};

/* --- calls -------------------------------------------------------------------------------------------------------- */

static call *
call_new(vmxd_discard *self, method *of)
{
    call *taken = self->free;
    if (taken)
        self->free = taken->next;
    else
        taken = vmx_calloc(1, sizeof *taken);
    if (!taken)
        return NULL;
    *taken = (call){.method = of, .reply = {.type = GRPC_BB_RAW}};
    grpc_slice_buffer_init(&taken->reply.data.raw.slice_buffer);
    grpc_metadata_array_init(&taken->headers);
    grpc_call_details_init(&taken->details);
    return taken;
}

static void
call_free(vmxd_discard *self, call *ended)
{
    if (ended->core)
        grpc_call_unref(ended->core);
    if (ended->request)
        grpc_byte_buffer_destroy(ended->request);
    grpc_slice_buffer_destroy(&ended->reply.data.raw.slice_buffer);
    grpc_metadata_array_destroy(&ended->headers);
    grpc_call_details_destroy(&ended->details);
    ended->next = self->free;
    self->free = ended;
}

static void
await_call(vmxd_discard *self, method *of)
{
    call *next = call_new(self, of);
    if (!next)
        return;
    vmx_tsan_release(next);
    grpc_call_error error =
        of->handle ? grpc_server_request_registered_call(self->server, of->handle, &next->core, &next->deadline,
                                                         &next->headers, &next->request, self->queue, self->queue, next)
                   : grpc_server_request_call(self->server, &next->core, &next->details, &next->headers, self->queue,
                                              self->queue, next);
    if (error != GRPC_CALL_OK)
        call_free(self, next);
}

/* What was packed before; of an upsert, how many records came, or clients would miss them. */
static grpc_slice
reply_of(const call *open)
{
    return open->method->counts ? vmxd_discard_upserted(vmxd_discard_count(open->request))
                                : grpc_slice_ref(open->method->reply);
}

static void
answer(call *open)
{
    bool known = open->method->handle != NULL;
    grpc_op ops[4] = {{.op = GRPC_OP_SEND_INITIAL_METADATA},
                      {.op = GRPC_OP_SEND_STATUS_FROM_SERVER},
                      {.op = GRPC_OP_RECV_CLOSE_ON_SERVER},
                      {.op = GRPC_OP_SEND_MESSAGE}};
    ops[1].data.send_status_from_server.status = known ? GRPC_STATUS_OK : GRPC_STATUS_UNIMPLEMENTED;
    ops[2].data.recv_close_on_server.cancelled = &open->cancelled;
    ops[3].data.send_message.send_message = &open->reply;
    if (known)
        grpc_slice_buffer_add(&open->reply.data.raw.slice_buffer, reply_of(open));
    vmx_tsan_release(open);
    grpc_call_error error = grpc_call_start_batch(open->core, ops, known ? 4 : 3, open, NULL);
    if (error != GRPC_CALL_OK)
        fprintf(stderr, "vecmuxd: grpc_call_start_batch: %s\n", grpc_call_error_to_string(error));
}

static void
answer_oldest(vmxd_discard *self)
{
    call *oldest = self->first_held;
    self->first_held = oldest->next;
    self->held--;
    answer(oldest);
}

static void
hold(vmxd_discard *self, call *arrived)
{
    arrived->next = NULL;
    if (self->first_held)
        self->last_held->next = arrived;
    else
        self->first_held = arrived;
    self->last_held = arrived;
    self->held++;
}

static void
on_arrived(vmxd_discard *self, call *arrived)
{
    arrived->arrived = true;
    await_call(self, arrived->method);
    arrived->method->calls++;
    if (arrived->request)
        arrived->method->bytes += grpc_byte_buffer_length(arrived->request);
    if (++self->open > self->most_open)
        self->most_open = self->open;
    hold(self, arrived);
    while (self->held > self->hold)
        answer_oldest(self);
}

static void
on_event(vmxd_discard *self, call *of, bool ok)
{
    if (!of->arrived && ok) {
        on_arrived(self, of);
        return;
    }
    if (of->arrived)
        self->open--;
    call_free(self, of);
}

/* --- the thread --------------------------------------------------------------------------------------------------- */

static gpr_timespec
wake_time(const vmxd_discard *self)
{
    if (self->held == 0)
        return gpr_inf_future(GPR_CLOCK_MONOTONIC);
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(HOLD_IDLE_MS, GPR_TIMESPAN));
}

/* The tag of the event that no call is left is the sink itself. */
static void *
loop_main(void *arg)
{
    vmxd_discard *self = arg;
    for (;;) {
        grpc_event event = grpc_completion_queue_next(self->queue, wake_time(self), NULL);
        if (event.type == GRPC_QUEUE_SHUTDOWN)
            return NULL;
        if (event.type == GRPC_QUEUE_TIMEOUT) {
            while (self->held > 0)
                answer_oldest(self);
            continue;
        }
        vmx_tsan_acquire(event.tag);
        if (event.tag == self)
            grpc_completion_queue_shutdown(self->queue);
        else
            on_event(self, event.tag, event.success != 0);
    }
}

/* --- start and stop ----------------------------------------------------------------------------------------------- */

static bool
add_methods(vmxd_discard *self, const vmxd_discard_options *options)
{
    for (int i = 0; i < METHODS; i++)
        self->methods[i] = (method){.name = "unknown", .reply = grpc_empty_slice()};
    for (int i = 0; i < VMXD_DISCARD_METHODS; i++) {
        method *added = &self->methods[i];
        added->name = vmxd_discard_path((vmxd_discard_method)i);
        added->counts = i == VMXD_DISCARD_UPSERT;
        added->handle =
            grpc_server_register_method(self->server, added->name, NULL, GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0);
        if (!added->handle || !vmxd_discard_reply((vmxd_discard_method)i, options, &added->reply))
            return false;
    }
    return true;
}

static void
await_calls(vmxd_discard *self)
{
    for (int i = 0; i < METHODS; i++) {
        bool hot = i == VMXD_DISCARD_QUERY || i == VMXD_DISCARD_UPSERT;
        int count = hot ? AWAITED_OF_HOT_METHOD : i < VMXD_DISCARD_METHODS ? AWAITED_OF_METHOD : AWAITED_OF_OTHERS;
        while (count-- > 0)
            await_call(self, &self->methods[i]);
    }
}

/* Only what is needed to answer: no filters, no statistics. */
static grpc_server *
core_new(void)
{
    grpc_arg args[] = {
        {.type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_MINIMAL_STACK, .value.integer = 1},
        {.type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_ENABLE_CHANNELZ, .value.integer = 0},
        {.type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_ENABLE_DEADLINE_CHECKS, .value.integer = 0},
        {.type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, .value.integer = -1},
        {.type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_ALLOW_REUSEPORT, .value.integer = 0},
    };
    grpc_channel_args list = {sizeof args / sizeof args[0], args};
    return grpc_server_create(&list, NULL);
}

static bool
begin(vmxd_discard *self, const vmxd_server_options *server, const vmxd_discard_options *options, vmxd_status *status)
{
    self->hold = options->hold;
    self->server = core_new();
    self->queue = grpc_completion_queue_create_for_next(NULL);
    grpc_server_register_completion_queue(self->server, self->queue, NULL);
    if (!add_methods(self, options))
        return vmxd_no_memory(status);
    self->port = vmxd_core_listen(self->server, server, status);
    if (self->port == 0)
        return false;
    grpc_server_start(self->server);
    await_calls(self);
    self->has_thread = vmx_thread_start(&self->thread, "vecmuxd-discard", loop_main, self);
    return self->has_thread || vmxd_refuse(status, GRPC_STATUS_INTERNAL, "cannot start a thread");
}

vmxd_discard *
vmxd_discard_start(const vmxd_server_options *server, const vmxd_discard_options *options, vmxd_status *status)
{
    vmxd_discard *self = vmx_calloc(1, sizeof *self);
    if (!self)
        vmxd_no_memory(status);
    else if (begin(self, server, options, status))
        return self;
    else
        vmxd_discard_stop(self);
    return NULL;
}

int
vmxd_discard_port(const vmxd_discard *discard)
{
    return discard->port;
}

static void
print_counts(const vmxd_discard *self)
{
    uint64_t calls = 0, bytes = 0;
    for (int i = 0; i < METHODS; i++) {
        calls += self->methods[i].calls;
        bytes += self->methods[i].bytes;
    }
    fprintf(stderr, "vecmuxd: discarded %" PRIu64 " calls, %" PRIu64 " bytes, at most %" PRIu64 " open at once", calls,
            bytes, self->most_open);
    for (int i = 0; i < METHODS; i++)
        if (self->methods[i].calls > 0)
            fprintf(stderr, "; %s %" PRIu64, self->methods[i].name, self->methods[i].calls);
    fputc('\n', stderr);
}

static void
shut_down(vmxd_discard *self)
{
    vmx_tsan_release(self);
    grpc_server_shutdown_and_notify(self->server, self->queue, self);
    grpc_server_cancel_all_calls(self->server);
    if (self->has_thread)
        pthread_join(self->thread, NULL);
    else
        loop_main(self);
}

void
vmxd_discard_stop(vmxd_discard *self)
{
    bool served = self->has_thread;
    shut_down(self);
    if (served)
        print_counts(self);
    grpc_server_destroy(self->server);
    grpc_completion_queue_destroy(self->queue);
    for (int i = 0; i < METHODS; i++)
        grpc_slice_unref(self->methods[i].reply);
    for (call *next; self->free; self->free = next) {
        next = self->free->next;
        vmx_dealloc(self->free);
    }
    vmx_dealloc(self);
}
