#include "api/run.h"

#include <stdio.h>
#include <string.h>

#include "api/call_options.h"
#include "core/error.h"
#include "core/lender.h"
#include "core/sized.h"
#include "core/sync.h"

#define OWNER(member, pointer) ((vmx_run *)((char *)(pointer)-offsetof(vmx_run, member)))

/* How long before the deadline a waiting operation looks a last time. */
#define LAST_LOOK_US 50000

/* Smaller replies are not counted: what that would cost is felt in them. */
#define COUNTED_REPLY_BYTES 4096

static void
take_step(vmx_run *run);

/* The operation that this thread is starting. Its strand may bring it to its end there, when all went fast. */
static _Thread_local const vmx_run *starting_here;

/* --- the end ------------------------------------------------------------------------------------------------------- */

static void
complete(vmx_run *run)
{
    if (starting_here == run) { /* nothing completes inside the function that starts it: by way of the loop */
        run->ended = true;
        run->client->transport->vtable->timer_set(run->loop, &run->timer, vmx_client_now(run->client));
        return;
    }
    if (run->op.error.code != VMX_OK && run->has_written && run->op.error.outcome != VMX_OUTCOME_DONE)
        run->op.error.outcome = VMX_OUTCOME_UNKNOWN; /* whatever is known of the last call */
    const vmx_reply *reply = vmx_call_reply(&run->call);
    run->op.headers = reply->headers;
    run->op.header_count = reply->header_count;
    run->op.result = run->op.error.code == VMX_OK ? &run->result : NULL;
    vmx_op_complete(&run->op);
}

static void
run_destroy(vmx_op *op)
{
    vmx_run *run = OWNER(op, op);
    vmx_client *client = run->client;
    if (run->reply_bytes > 0)
        vmx_memory_release(client->replies, run->reply_bytes);
    vmx_message_clear(&run->step.request.message);
    vmx_message_clear(&run->machine.kept);
    vmx_call_clear(&run->call);
    vmx_arena_rewind(&op->arena);
    vmx_host *host = vmx_op_fini(op);
    vmx_run_store_give(&client->runs, run);
    vmx_host_release(host);
}

static void
complete_cancelled(vmx_run *run)
{
    vmx_error_set(&run->op.error, VMX_ERR_CANCELLED, "%s at %s: cancelled", run->op.name, run->client->caller.endpoint);
    complete(run);
}

static void
run_cancel(vmx_op *op)
{
    vmx_run *run = OWNER(op, op);
    if (run->ended)
        return;
    if (!run->waiting) {
        vmx_call_cancel(&run->call);
        return;
    }
    if (run->client->transport->vtable->timer_cancel(run->loop, &run->timer)) {
        run->waiting = false;
        complete_cancelled(run);
    }
}

static const vmx_op_vtable op_vtable = {.cancel = run_cancel, .destroy = run_destroy};

/* --- waiting ------------------------------------------------------------------------------------------------------- */

static void
wait_step(vmx_run *run)
{
    uint64_t now_us = vmx_client_now(run->client);
    uint64_t deadline_us = run->call.settings.deadline_us;
    uint64_t due_us = vmx_deadline_us(now_us, run->step.wait_ms);
    if (due_us >= deadline_us && deadline_us > now_us + LAST_LOOK_US)
        due_us = deadline_us - LAST_LOOK_US;
    if (due_us >= deadline_us) {
        vmx_error_set(&run->op.error, VMX_ERR_DEADLINE, "%s at %s: not reached within %lld ms; raise the timeout",
                      run->op.name, run->client->caller.endpoint, (long long)run->call.settings.timeout_ms);
        complete(run);
        return;
    }
    run->waiting = true;
    run->client->transport->vtable->timer_set(run->loop, &run->timer, due_us);
}

static void
on_timer(vmx_timer *timer)
{
    vmx_run *run = OWNER(timer, timer);
    vmx_op_submit(&run->op, &run->timer_task);
}

static void
run_timer(vmx_task *task)
{
    vmx_run *run = OWNER(timer_task, task);
    if (run->ended) {
        complete(run);
        return;
    }
    run->waiting = false;
    if (atomic_load(&run->op.cancel_requested)) {
        complete_cancelled(run);
        return;
    }
    run->machine.on_timer(&run->machine, &run->step);
    take_step(run);
}

/* --- stepping ------------------------------------------------------------------------------------------------------ */

/* A cancel finds no call under way when it comes before the operation's start (by vmx_client_free, from another thread), or
 * between two calls. */
static void
take_step(vmx_run *run)
{
    if (run->call.cancelled && run->step.kind != VMX_STEP_DONE) {
        complete_cancelled(run);
        return;
    }
    switch (run->step.kind) {
    case VMX_STEP_CALL:
        vmx_call_start(&run->call, &run->step.request);
        break;
    case VMX_STEP_WAIT:
        wait_step(run);
        break;
    case VMX_STEP_DONE:
        complete(run);
        break;
    }
}

/* The machine could make nothing of a successful reply: adds what it does not know. */
static void
add_call_details(vmx_run *run)
{
    vmx_error why = run->op.error;
    vmx_error_set(&run->op.error, why.code, "%s at %s: %s", run->op.name, run->client->caller.endpoint, why.message);
    run->op.error.grpc_code = VMX_GRPC_OK;
    run->op.error.attempts = (uint32_t)run->call.records.count;
    run->op.error.outcome = VMX_OUTCOME_DONE;
    vmx_str peer = vmx_call_reply(&run->call)->peer;
    snprintf(run->op.error.peer, sizeof run->op.error.peer, "%.*s", (int)peer.len, peer.ptr);
}

/* The reply has its share of memory.reply.limit.bytes until the operation is freed; or the operation has failed. */
static bool
hold_reply(vmx_run *run)
{
    vmx_memory *replies = run->client->replies;
    size_t bytes = run->call.last->message.size_bytes;
    if (bytes < COUNTED_REPLY_BYTES)
        return true;
    if (vmx_memory_try(replies, bytes)) {
        run->reply_bytes += bytes;
        return true;
    }
    vmx_error_set(
        &run->op.error, VMX_ERR_TOO_LARGE,
        "no room for a reply of %zu bytes: memory.reply.limit.bytes is %zu and held by other operations; free "
        "those that were read, or raise it",
        bytes, vmx_memory_limit(replies));
    return false;
}

static void
on_call_done(vmx_call *call)
{
    vmx_run *run = OWNER(call, call);
    if (run->op.error.code != VMX_OK) {
        bool goes_on =
            run->machine.on_failure != NULL && !call->cancelled && run->machine.on_failure(&run->machine, &run->step);
        if (goes_on)
            take_step(run);
        else
            complete(run);
        return;
    }
    run->has_written |= call->request.writes;
    if (hold_reply(run))
        run->machine.on_reply(&run->machine, &call->last->message, &call->last->reply, &run->step);
    else
        run->step.kind = VMX_STEP_DONE;
    vmx_message_clear(&call->last->message);
    if (run->op.error.code != VMX_OK)
        add_call_details(run);
    take_step(run);
}

static void
run_start(vmx_task *task)
{
    take_step(OWNER(start_task, task));
}

/* --- the attempts, for the user ------------------------------------------------------------------------------------ */

void
vmx_attempt_info_init(vmx_attempt_info *info, size_t size)
{
    vmx_sized_init(info, size);
}

size_t
vmx_op_attempt_count(const vmx_op *op)
{
    const vmx_run *run = (const vmx_run *)op;
    size_t count = op->vtable == &op_vtable && vmx_op_done(op) ? run->call.records.count : 0;
    return count < VMX_MAX_RECORDS ? count : VMX_MAX_RECORDS;
}

bool
vmx_op_attempt(const vmx_op *op, size_t i, vmx_attempt_info *info)
{
    vmx_attempt_info ours = {0};
    bool found = op->vtable == &op_vtable && vmx_op_done(op) && vmx_call_record(&((const vmx_run *)op)->call, i, &ours);
    if (found)
        vmx_sized_write(info, &ours, sizeof ours);
    return found;
}

/* --- starting ------------------------------------------------------------------------------------------------------ */

static void
init_machine(vmx_run *run)
{
    run->machine = (vmx_machine){
        .engine = &run->client->engine,
        .arena = &run->op.arena,
        .error = &run->op.error,
        .result = &run->result,
        .spare = run->machine.spare,
    };
    run->step = (vmx_step){.kind = VMX_STEP_CALL};
    run->result = (vmx_result){0};
}

static vmx_status
fill_run(vmx_run *run, vmx_str name_space, const vmx_call_options *options, vmx_error *error)
{
    vmx_client *client = run->client;
    vmx_call_settings settings;
    vmx_status status = vmx_call_settings_make(&run->op.arena, client, options, &settings, error);
    if (status != VMX_OK)
        return status;
    run->machine.name_space = vmx_arena_str(&run->op.arena, name_space);
    if (run->machine.name_space.ptr == NULL)
        return vmx_error_no_memory(error);
    size_t loop = atomic_fetch_add_explicit(&client->next_loop, 1, memory_order_relaxed);
    run->loop = vmx_caller_loop(&client->caller, loop);
    vmx_call_init(&run->call, &client->caller, &run->op, run->loop, &settings, &run->op.error, on_call_done);
    return VMX_OK;
}

vmx_status
vmx_run_new(vmx_client *client, const char *name, vmx_str name_space, const vmx_call_options *caller_options,
            vmx_run **out, vmx_error *error)
{
    *out = NULL;
    vmx_call_options options;
    vmx_status status = vmx_client_check_open(client, error);
    if (status == VMX_OK)
        status = vmx_call_options_check(client, caller_options, &options, error);
    if (status != VMX_OK)
        return status;
    vmx_run *run = vmx_run_store_take(&client->runs);
    if (run == NULL)
        return vmx_error_no_memory(error);
    run->client = client;
    run->loop = NULL;
    run->timer = (vmx_timer){.fire = on_timer};
    run->waiting = run->has_written = run->ended = false;
    run->reply_bytes = 0;
    run->start_task.run = run_start;
    run->timer_task.run = run_timer;
    vmx_op_init(&run->op, &op_vtable, name, &client->host, options.queue, options.user);
    init_machine(run);
    status = fill_run(run, name_space, &options, error);
    if (status != VMX_OK)
        vmx_op_release(&run->op);
    else
        *out = run;
    return status;
}

vmx_status
vmx_run_borrow(vmx_run *run, const vmx_call_options *caller_options, vmx_error *error)
{
    vmx_call_options options;
    vmx_sized_read(&options, sizeof options, caller_options);
    if (options.release == NULL)
        return VMX_OK;
    run->machine.lender = vmx_lender_new(options.release, options.release_user);
    if (run->machine.lender != NULL)
        return VMX_OK;
    vmx_op_release(&run->op);
    return vmx_error_no_memory(error);
}

/* What was lent stays the caller's, without a word: nothing has started. */
static void
give_up(vmx_run *run)
{
    vmx_message_clear(&run->step.request.message);
    vmx_lender_discard(run->machine.lender);
    vmx_op_release(&run->op);
}

vmx_status
vmx_run_launch(vmx_run *run, vmx_status begun, vmx_op **op, vmx_error *error)
{
    vmx_status status = begun;
    if (status != VMX_OK && error != NULL)
        *error = run->op.error;
    if (status == VMX_OK && !vmx_op_begin(&run->op))
        status = vmx_error_set(error, VMX_ERR_CLOSED, "%s: the client is closed; open a new one", run->op.name);
    if (status != VMX_OK) {
        give_up(run);
        return status;
    }
    *op = &run->op;
    vmx_block *lender = run->machine.lender; /* the run may be gone when the start returns */
    const vmx_run *outer = starting_here;    /* a wake-up may start an operation too */
    starting_here = run;
    vmx_op_submit(&run->op, &run->start_task);
    starting_here = outer;
    vmx_block_release(lender);
    return VMX_OK;
}
