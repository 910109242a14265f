/*
 * One build: its life, and its way from phase to phase.
 *
 *   start ─► check ─► resume ─► memory ─► upload ─► trigger ─► await ─► download ─► clean-up ─► end
 *                        └──────────────────────────────────────┴─────────┴────────────┘ an earlier run was here
 *
 * Each phase has a file of its name and says here what it has reached; nothing else decides what comes next. A failure,
 * a cancel or the deadline (stop.c) goes to the clean-up from anywhere.
 */
#include "build/internal.h"
#include "core/alloc.h"
#include "core/error.h"

/* --- from phase to phase ------------------------------------------------------------------------------------------- */

uint64_t
vmx_build_now(const vmx_build *build)
{
    return build->op.host->vtable->now(build->op.host);
}

void
vmx_build_enter(vmx_build *build, vmx_build_phase phase, uint64_t bytes_total, uint64_t vectors_total)
{
    atomic_store(&build->phase_started_us, vmx_build_now(build));
    atomic_store(&build->bytes_done, 0);
    atomic_store(&build->vectors_done, 0);
    atomic_store(&build->bytes_total, bytes_total);
    atomic_store(&build->vectors_total, vectors_total);
    atomic_store(&build->queue_position, 0);
    atomic_store(&build->phase, (int)phase);
}

void
vmx_build_has_memory(vmx_build *build)
{
    if (!build->adopted)
        vmx_upload_begin(build);
    else if (build->job_ended)
        vmx_download_begin(build);
    else
        vmx_await_begin(build);
}

void
vmx_build_uploaded(vmx_build *build)
{
    if (!vmx_build_halted(build))
        vmx_trigger_begin(build);
}

void
vmx_build_built(vmx_build *build, const vmx_pb_build *job)
{
    if (build->kind == VMX_BUILD_IN_PLACE) {
        vmx_clean_begin(build);
        return;
    }
    vmx_build_enter(build, VMX_BUILD_DOWNLOAD, 0, 0);
    if (vmx_download_plan(build, job->result))
        vmx_download_begin(build);
}

void
vmx_build_downloaded(vmx_build *build)
{
    vmx_clean_begin(build);
}

static void
run_start(vmx_task *task)
{
    vmx_build *build = VMX_OWNER(vmx_build, start_task, task);
    if (vmx_build_halted(build))
        return;
    vmx_deadline_arm(build);
    switch (build->kind) {
    case VMX_BUILD_REMOTE:
        vmx_check_begin(build);
        break;
    case VMX_BUILD_IN_PLACE:
        vmx_trigger_begin(build);
        break;
    default:
        vmx_describe_begin(build);
    }
}

/* On the loop: nothing happens inside the function that starts the operation. */
static void
run_post(vmx_task *task)
{
    vmx_build *build = VMX_OWNER(vmx_build, post_task, task);
    vmx_op *op = &build->op;
    vmx_op_submit(op, &build->start_task);
    vmx_op_release(op);
}

/* --- the end ------------------------------------------------------------------------------------------------------- */

static void
let_source_go(vmx_build *build)
{
    vmx_build_unreserve(build);
    if (build->source_taken)
        atomic_store(&build->source->taken, false);
    build->source_taken = false;
    build->lender = vmx_block_release(build->lender);
}

static void
count_end(vmx_build *build)
{
    static const vmx_build_result failures[] = {
        [VMX_BUILD_REMOTE] = VMX_BUILD_FELL_BACK, [VMX_BUILD_IN_PLACE] = VMX_BUILD_FAILED};
    vmx_build_counters *counters = build->parts.counters;
    if (!build->counted)
        return;
    build->counted = false;
    vmx_uncount(build->kind == VMX_BUILD_REMOTE ? &counters->current_remote : &counters->current_in_place, 1);
    vmx_uncount(&counters->current_bytes, build->vectors.blob.size_bytes);
    vmx_build_result result = build->op.error.code == VMX_OK ? VMX_BUILD_SUCCEEDED
                              : build->called_off            ? VMX_BUILD_CANCELLED
                                                             : failures[build->kind];
    vmx_index_tallies_add(&counters->by_index, build->settings.spec.index, result,
                          vmx_build_now(build) - build->launched_us, atomic_load(&build->uploaded),
                          atomic_load(&build->downloaded));
}

void
vmx_build_finish(vmx_build *build)
{
    build->ended = true;
    if (!vmx_deadline_disarm(build))
        return; /* it is firing, and its task comes back here */
    vmx_build_make_fallback(build);
    count_end(build);
    for (size_t i = 0; i < VMX_BUILD_STREAMS; i++) {
        vmx_sender_clear(&build->senders[i]);
        vmx_fetcher_clear(&build->fetchers[i]);
    }
    let_source_go(build);
    vmx_op_complete(&build->op);
}

/* --- life ---------------------------------------------------------------------------------------------------------- */

static void
destroy_build(vmx_op *op)
{
    vmx_build *build = VMX_OWNER(vmx_build, op, op);
    for (size_t i = 0; i < VMX_BUILD_STREAMS; i++) {
        vmx_sender_clear(&build->senders[i]);
        vmx_fetcher_clear(&build->fetchers[i]);
    }
    let_source_go(build);
    vmx_ask_clear(&build->ask);
    vmx_ask_clear(&build->clean_ask);
    vmx_ask_clear(&build->vectors.ask);
    vmx_ask_clear(&build->ids.ask);
    vmx_ask_clear(&build->watch.ask);
    vmx_flow_clear(&build->watch.flow);
    vmx_digest_free(&build->splicer.digest);
    vmx_output_close(build);
    vmx_dealloc(build->download.part_digests);
    vmx_dealloc(build->vectors.parts);
    vmx_dealloc(build->ids.parts);
    vmx_dealloc(build->scratch);
    vmx_rows_release(build->ids_rows);
    vmx_source_free(build->source);
    vmx_arena_reset(&op->arena);
    vmx_host *host = vmx_op_fini(op);
    vmx_dealloc(build);
    vmx_host_release(host);
}

static const vmx_op_vtable op_vtable = {.cancel = vmx_build_cancel, .destroy = destroy_build};

bool
vmx_build_is_op(const vmx_op *op)
{
    return op->vtable == &op_vtable;
}

vmx_build *
vmx_build_new(const vmx_build_parts *parts, const char *name, vmx_queue *queue, void *user)
{
    vmx_build *build = vmx_calloc(1, sizeof *build);
    if (build == NULL)
        return NULL;
    build->parts = *parts;
    build->download.output.fd = build->download.output.state_fd = -1;
    build->vectors.build = build->ids.build = build;
    build->start_task.run = run_start;
    build->post_task.run = run_post;
    vmx_op_init(&build->op, &op_vtable, name, parts->host, queue, user);
    return build;
}

vmx_op *
vmx_build_op(vmx_build *build)
{
    return &build->op;
}

vmx_status
vmx_build_launch(vmx_build *build, vmx_status prepared, vmx_op **op, vmx_error *error)
{
    vmx_status status = prepared;
    if (status == VMX_OK && !vmx_op_begin(&build->op))
        status = vmx_error_set(error, VMX_ERR_CLOSED, "%s: the client is closed; open a new one", build->op.name);
    if (status != VMX_OK) {
        vmx_op_release(&build->op);
        return status;
    }
    bool remote = build->kind == VMX_BUILD_REMOTE;
    build->counted = remote || build->kind == VMX_BUILD_IN_PLACE;
    build->launched_us = vmx_build_now(build);
    if (build->counted)
        vmx_count(remote ? &build->parts.counters->current_remote : &build->parts.counters->current_in_place, 1);
    vmx_count(&build->parts.counters->current_bytes, build->vectors.blob.size_bytes);
    *op = &build->op;
    vmx_op_acquire(&build->op); /* for run_post */
    build->parts.caller->transport->vtable->post(build->parts.loop, &build->post_task);
    return VMX_OK;
}
