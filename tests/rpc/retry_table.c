/*
 * Prints what becomes of a call under each fault and each preset of a policy, as a Markdown table: docs/retries.md holds
 * it, and a test compares the two.
 */
#include <stdio.h>
#include <string.h>

#include "rpc/harness.h"

typedef vmx_op *(*start_call)(world *w, const vmx_call_options *options);

typedef struct fault {
    const char *name;
    start_call start;
    answer script[3];
    size_t len;
    int64_t attempt_timeout_ms;
    bool refuses;       /* connections */
    uint64_t absent_us; /* nobody drives for so long after the first attempt */
} fault;

#define FAILS(code, ...)                                                                                               \
    {                                                                                                                  \
        .grpc_code = (code), .reach = VMX_REACH_SERVER, .text = "no", __VA_ARGS__                                      \
    }
#define DOWN FAILS(VMX_GRPC_UNAVAILABLE, )
#define OK                                                                                                             \
    {                                                                                                                  \
        0                                                                                                              \
    }
#define REFUSED                                                                                                        \
    {                                                                                                                  \
        .grpc_code = VMX_GRPC_UNAVAILABLE, .reach = VMX_REACH_NONE, .text = "REFUSED_STREAM"                           \
    }
#define BROKEN                                                                                                         \
    {                                                                                                                  \
        .grpc_code = VMX_GRPC_UNAVAILABLE, .reach = VMX_REACH_UNKNOWN, .text = "Socket closed"                         \
    }
#define SILENT                                                                                                         \
    {                                                                                                                  \
        .delay_us = ANSWER_NEVER                                                                                       \
    }
#define BUSY(k, v) FAILS(VMX_GRPC_RESOURCE_EXHAUSTED, .key = (k), .value = (v))
#define PUSHBACK   "grpc-retry-pushback-ms"

static const fault faults[] = {
    {"UNAVAILABLE once", world_query, {DOWN, OK}, 2, 0, false, 0},
    {"UNAVAILABLE twice", world_query, {DOWN, DOWN, OK}, 3, 0, false, 0},
    {"UNAVAILABLE always", world_query, {DOWN}, 1, 0, false, 0},
    {"ABORTED once", world_query, {FAILS(VMX_GRPC_ABORTED, ), OK}, 2, 0, false, 0},
    {"RESOURCE_EXHAUSTED once", world_query, {BUSY(NULL, NULL), OK}, 2, 0, false, 0},
    {"RESOURCE_EXHAUSTED, pushback of 3000 ms", world_query, {BUSY(PUSHBACK, "3000"), OK}, 2, 0, false, 0},
    {"RESOURCE_EXHAUSTED, pushback of 60000 ms", world_query, {BUSY(PUSHBACK, "60000"), OK}, 2, 0, false, 0},
    {"RESOURCE_EXHAUSTED, pushback of -1", world_query, {BUSY(PUSHBACK, "-1"), OK}, 2, 0, false, 0},
    {"RESOURCE_EXHAUSTED, retry-after: 2", world_query, {BUSY("retry-after", "2"), OK}, 2, 0, false, 0},
    {"UNAVAILABLE, pushback of 0 ms",
     world_query,
     {FAILS(VMX_GRPC_UNAVAILABLE, .key = PUSHBACK, .value = "0"), OK},
     2,
     0,
     false,
     0},
    {"monthly quota spent",
     world_query,
     {{.grpc_code = VMX_GRPC_RESOURCE_EXHAUSTED,
       .reach = VMX_REACH_SERVER,
       .text = "read units of this month used up"}},
     1,
     0,
     false,
     0},
    {"stream refused once, connected", world_query, {REFUSED, OK}, 2, 0, false, 0},
    {"stream refused once, connected: update", world_update, {REFUSED, OK}, 2, 0, false, 0},
    {"stream refused always, connected", world_query, {REFUSED}, 1, 0, false, 0},
    {"connection refused always", world_query, {OK}, 1, 0, true, 0},
    {"socket closed after sending: query", world_query, {BROKEN, OK}, 2, 0, false, 0},
    {"socket closed after sending: update", world_update, {BROKEN, OK}, 2, 0, false, 0},
    {"UNAVAILABLE once: update", world_update, {DOWN, OK}, 2, 0, false, 0},
    {"no answer once, attempt timeout 1000 ms: query", world_query, {SILENT, OK}, 2, 1000, false, 0},
    {"no answer once, attempt timeout 1000 ms: update", world_update, {SILENT, OK}, 2, 1000, false, 0},
    {"no answer ever, attempt timeout 1000 ms", world_query, {SILENT}, 1, 1000, false, 0},
    {"no answer ever", world_query, {SILENT}, 1, 0, false, 0},
    {"INVALID_ARGUMENT", world_query, {FAILS(VMX_GRPC_INVALID_ARGUMENT, )}, 1, 0, false, 0},
    {"INTERNAL", world_query, {FAILS(VMX_GRPC_INTERNAL, )}, 1, 0, false, 0},
    {"UNAUTHENTICATED", world_query, {FAILS(VMX_GRPC_UNAUTHENTICATED, )}, 1, 0, false, 0},
    {"DEADLINE_EXCEEDED by the server", world_query, {FAILS(VMX_GRPC_DEADLINE_EXCEEDED, )}, 1, 0, false, 0},
    {"UNAVAILABLE, then this process stops for 60 s", world_query, {DOWN, OK}, 2, 0, false, 60000000},
    {"reply that is no protobuf", world_query, {{.body = "\xff\xff\xff"}}, 1, 0, false, 0},
};

static const struct {
    const char *name;
    vmx_retry_preset preset;
} presets[] = {
    {"NONE", VMX_RETRY_NONE},
    {"INTERACTIVE", VMX_RETRY_INTERACTIVE},
    {"BULK", VMX_RETRY_BULK},
    {"DEFAULT", VMX_RETRY_DEFAULT},
};

static const char *
outcome_name(const vmx_error *error)
{
    static const char *const names[] = {"not sent", "rejected", "unknown", "done"};
    return names[error->outcome];
}

static void
print_times(const vmx_op *op)
{
    for (size_t i = 0; i < vmx_op_attempt_count(op); i++) {
        vmx_attempt_info info;
        vmx_attempt_info_init(&info, sizeof info);
        vmx_op_attempt(op, i, &info);
        printf("%s%g", i > 0 ? ", " : "", (double)info.start_us / 1000);
    }
}

static void
print_row(const fault *what, size_t preset)
{
    world *w = world_connecting_to(what->refuses ? VMX_CHANNEL_FAILING : VMX_CHANNEL_READY, 1, NULL);
    vmx_retry retry = world_policy(presets[preset].preset);
    retry.attempt_timeout_ms = what->attempt_timeout_ms;
    vmx_call_options options = world_options(&retry);
    world_script(w, what->script, what->len);
    vmx_op *op = what->start(w, &options);
    world_run(w, 0);
    if (!vmx_op_done(op))
        vmx_fake_advance(w->transport, what->absent_us);
    vmx_status status = world_wait(op);
    const vmx_error *error = vmx_op_error(op);
    printf("| %s | %s | %s | %s | %u | ", what->name, presets[preset].name, vmx_status_name(status),
           outcome_name(error), (unsigned)error->attempts);
    print_times(op);
    printf(" | %g |\n", world_ms(w, world_now(w)));
    vmx_op_free(op);
    world_free(w);
}

int
main(void)
{
    printf("| Fault | Preset | Result | Outcome | Attempts | begun at (ms) | ended at (ms) |\n");
    printf("|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        for (size_t preset = 0; preset < sizeof presets / sizeof presets[0]; preset++)
            print_row(&faults[i], preset);
    return 0;
}
