/* One build: its life, its phases, its end. */
#include "build/build.h"

#include <stdio.h>
#include <string.h>

#include "build/chunk.h"
#include "build/internal.h"
#include "core/alloc.h"
#include "core/error.h"
#include "core/lender.h"
#include "core/sync.h"

#define REPOSITORY "/vecmux.repository.v1.VectorRepository/"
#define BUILDS     "/vecmux.build.v1.IndexBuild/"

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

/* --- failing ------------------------------------------------------------------------------------------------------- */

static vmx_actor *
running_actor(const vmx_build *build)
{
    vmx_actor *actor = build->actors;
    while (actor != NULL && actor->stopped)
        actor = actor->next;
    return actor;
}

/* Whatever was the reason, the caller of a remote build hears one thing: build it locally. */
static void
make_fallback(vmx_build *build)
{
    vmx_error *error = &build->op.error;
    vmx_error why = *error;
    if (build->kind != VMX_BUILD_REMOTE || why.code == VMX_OK || why.code == VMX_ERR_CANCELLED)
        return;
    build->cause = why.code;
    vmx_error_set(error, VMX_ERR_FALLBACK, "%s (%s): %s; build it locally", build->op.name,
                  vmx_build_phase_name((vmx_build_phase)atomic_load(&build->phase)), why.message);
    vmx_error words = *error;
    *error = why;
    error->code = words.code;
    memcpy(error->message, words.message, sizeof error->message);
    vmx_count(&build->parts.counters->fallbacks, 1);
}

void
vmx_build_wind_up(vmx_build *build)
{
    if (build->stage != VMX_STAGE_STOPPING || build->actors != NULL || build->stop_submitted)
        return;
    build->stop_submitted = true;
    vmx_op_submit(&build->op, &build->stop_task);
}

void
vmx_build_fail(vmx_build *build, const vmx_error *why)
{
    if (build->stage != VMX_STAGE_RUNNING)
        return;
    build->op.error = *why;
    build->stage = VMX_STAGE_STOPPING;
    for (vmx_actor *actor; (actor = running_actor(build)) != NULL;) {
        actor->stopped = true;
        actor->stop(actor);
    }
    vmx_build_wind_up(build);
}

void
vmx_build_fail_with(vmx_build *build, vmx_status status, const char *format, ...)
{
    vmx_error error;
    va_list args;
    va_start(args, format);
    vmx_error_set_v(&error, status, format, args);
    va_end(args);
    vmx_build_fail(build, &error);
}

/* Nothing runs any more. */
static void
run_stop(vmx_task *task)
{
    vmx_build *build = VMX_OWNER(vmx_build, stop_task, task);
    build->stop_submitted = false;
    if (build->stage == VMX_STAGE_STOPPING && build->actors == NULL)
        vmx_clean_begin(build);
}

static void
cancel_build(vmx_op *op)
{
    vmx_build *build = VMX_OWNER(vmx_build, op, op);
    vmx_build_fail_with(build, VMX_ERR_CANCELLED, "%s at %s: cancelled", op->name, build->parts.caller->endpoint);
}

/* --- the deadline -------------------------------------------------------------------------------------------------- */

static const vmx_transport_vtable *
transport_of(const vmx_build *build)
{
    return build->parts.caller->transport->vtable;
}

static void
on_deadline(vmx_timer *timer)
{
    vmx_build *build = VMX_OWNER(vmx_build, deadline_timer, timer);
    vmx_op_submit(&build->op, &build->deadline_task);
}

static void
run_deadline(vmx_task *task)
{
    vmx_build *build = VMX_OWNER(vmx_build, deadline_task, task);
    build->deadline_timed = false;
    if (build->ended)
        vmx_build_finish(build);
    else
        vmx_build_fail_with(build, VMX_ERR_DEADLINE, "%s at %s: not done within %lld ms; raise the timeout",
                            build->op.name, build->parts.caller->endpoint, (long long)build->settings.total_timeout_ms);
}

static void
arm_deadline(vmx_build *build)
{
    if (build->settings.deadline_us == VMX_NEVER)
        return;
    build->deadline_timed = true;
    build->deadline_timer.fire = on_deadline;
    transport_of(build)->timer_set(build->parts.loop, &build->deadline_timer, build->settings.deadline_us);
}

/* --- the end ------------------------------------------------------------------------------------------------------- */

static void
let_source_go(vmx_build *build)
{
    vmx_buffers_close(build->buffers);
    build->buffers = NULL;
    if (build->listening)
        vmx_memory_unlisten(build->parts.memory, &build->listener);
    build->listening = false;
    vmx_rows_release(build->window);
    build->window = NULL;
    if (build->source_taken)
        atomic_store(&build->source->taken, false);
    build->source_taken = false;
    build->lender = vmx_block_release(build->lender);
}

static void
uncount(vmx_build *build)
{
    vmx_build_counters *counters = build->parts.counters;
    if (!build->counted)
        return;
    build->counted = false;
    vmx_uncount(build->kind == VMX_BUILD_REMOTE ? &counters->current_remote : &counters->current_in_place, 1);
    vmx_uncount(&counters->current_bytes, build->vectors.blob.size_bytes);
}

void
vmx_build_finish(vmx_build *build)
{
    build->ended = true;
    if (build->deadline_timed && !transport_of(build)->timer_cancel(build->parts.loop, &build->deadline_timer))
        return; /* it is firing, and its task comes back here */
    build->deadline_timed = false;
    make_fallback(build);
    uncount(build);
    for (size_t i = 0; i < VMX_BUILD_STREAMS; i++) {
        vmx_sender_clear(&build->senders[i]);
        vmx_fetcher_clear(&build->fetchers[i]);
    }
    let_source_go(build);
    vmx_op_complete(&build->op);
}

/* --- memory -------------------------------------------------------------------------------------------------------- */

static void
pump_all(vmx_build *build)
{
    for (size_t i = 0; i < build->sender_count; i++)
        vmx_sender_pump(&build->senders[i]);
    for (size_t i = 0; i < build->fetcher_count; i++)
        vmx_fetcher_pump(&build->fetchers[i]);
    vmx_splicer_pump(&build->splicer);
    vmx_download_pump(build);
}

static void
run_buffers(vmx_task *task)
{
    vmx_build *build = VMX_OWNER(vmx_build, buffers_task, task);
    if (build->buffers == NULL)
        return;
    vmx_buffers_told(build->buffers);
    pump_all(build);
}

static void
run_buffers_post(vmx_task *task)
{
    vmx_build *build = VMX_OWNER(vmx_build, buffers_post, task);
    vmx_op *op = &build->op;
    vmx_op_submit(op, &build->buffers_task);
    vmx_op_release(op);
}

vmx_block *
vmx_build_take_buffer(vmx_build *build, uint8_t **data)
{
    vmx_block *block = vmx_buffers_take(build->buffers, data);
    *data = block != NULL ? *data + VMX_CHUNK_HEAD : NULL;
    return block;
}

static size_t
buffer_count(const vmx_build *build)
{
    const vmx_build_settings *settings = &build->settings;
    return 2 * (settings->streams_up > settings->streams_down ? settings->streams_up : settings->streams_down);
}

static size_t
buffer_bytes(const vmx_build *build)
{
    return build->settings.chunk_bytes + VMX_CHUNK_HEAD;
}

static size_t
scratch_bytes(const vmx_build *build)
{
    size_t vectors = vmx_blob_scratch_bytes(&build->vectors.blob);
    size_t ids = build->ids.wanted ? vmx_blob_scratch_bytes(&build->ids.blob) : 0;
    return vectors > ids ? vectors : ids;
}

/* Of an iterator: rows that are kept until the server has confirmed them. */
static size_t
window_bytes(const vmx_build *build)
{
    const vmx_blob *blob = &build->vectors.blob;
    if (!blob->rows->sequential)
        return 0;
    return (size_t)(vmx_build_part_bytes(build, blob) / blob->row_bytes) * blob->rows->row_bytes;
}

static bool
make_window(vmx_build *build)
{
    vmx_blob *blob = &build->vectors.blob;
    if (!blob->rows->sequential)
        return true;
    build->window = vmx_rows_of_window(blob->rows, vmx_build_part_bytes(build, blob) / blob->row_bytes);
    blob->rows = build->window;
    return build->window != NULL;
}

static void
have_memory(vmx_build *build)
{
    build->buffers = vmx_buffers_new(build->parts.memory, build->reserved_bytes, buffer_count(build),
                                     buffer_bytes(build), &build->op, build->parts.loop, &build->buffers_post);
    if (build->buffers == NULL)
        vmx_memory_release(build->parts.memory, build->reserved_bytes);
    build->scratch = vmx_alloc(scratch_bytes(build));
    if (build->buffers == NULL || build->scratch == NULL || !make_window(build)) {
        vmx_build_fail_with(build, VMX_ERR_NO_MEMORY, "out of memory");
        return;
    }
    build->vectors.blob.scratch = build->ids.blob.scratch = build->scratch;
    if (build->adopted)
        vmx_build_adopt(build);
    else
        vmx_upload_begin(build);
}

static void
stop_memory(vmx_actor *actor)
{
    vmx_build *build = VMX_OWNER(vmx_build, memory_actor, actor);
    vmx_memory_cancel(build->parts.memory, &build->reservation);
    vmx_actor_end(build, actor);
}

static void
run_memory(vmx_task *task)
{
    vmx_build *build = VMX_OWNER(vmx_build, memory_task, task);
    atomic_store(&build->memory_told, false);
    if (!build->memory_actor.active)
        return;
    vmx_memory_want_room(&build->listener);
    if (!vmx_memory_is_granted(build->parts.memory, &build->reservation))
        return;
    vmx_actor_end(build, &build->memory_actor);
    have_memory(build);
}

static void
run_memory_post(vmx_task *task)
{
    vmx_build *build = VMX_OWNER(vmx_build, memory_post, task);
    vmx_op *op = &build->op;
    vmx_op_submit(op, &build->memory_task);
    vmx_op_release(op);
}

/* Whoever gives memory back may hold locks: the build goes on by way of the loop. */
static void
on_kick(vmx_memory_listener *listener)
{
    vmx_build *build = VMX_OWNER(vmx_build, listener, listener);
    if (atomic_exchange(&build->memory_told, true))
        return;
    vmx_op_acquire(&build->op);
    transport_of(build)->post(build->parts.loop, &build->memory_post);
}

static void
get_memory(vmx_build *build)
{
    build->reserved_bytes = buffer_count(build) * vmx_memory_block_bytes(buffer_bytes(build)) + scratch_bytes(build) +
                            window_bytes(build) + vmx_memory_block_bytes(0);
    if (build->reserved_bytes > vmx_memory_limit(build->parts.memory)) {
        vmx_build_fail_with(build, VMX_ERR_TOO_LARGE,
                            "build: %zu bytes are needed at once and memory.limit.bytes is %zu; raise it, or lower "
                            "build.chunk.bytes",
                            build->reserved_bytes, vmx_memory_limit(build->parts.memory));
        return;
    }
    build->listener.kick = on_kick;
    build->listening = true;
    vmx_memory_listen(build->parts.memory, &build->listener);
    vmx_actor_begin(build, &build->memory_actor, stop_memory);
    vmx_memory_queue(build->parts.memory, &build->reservation, build->reserved_bytes);
    if (!atomic_exchange(&build->memory_told, true))
        vmx_op_submit(&build->op, &build->memory_task);
}

/* --- is there such a build already? -------------------------------------------------------------------------------- */

void
vmx_build_adopt(vmx_build *build)
{
    if (build->job_ended)
        vmx_download_begin(build);
    else
        vmx_await_begin(build);
}

static void
find_job(vmx_build *build);

/* The build that is gone on with. */
static void
adopt_job(vmx_build *build, const vmx_pb_build *job)
{
    snprintf(build->build_id, sizeof build->build_id, "%s", job->build_id);
    build->adopted = true;
    build->job_ended = job->state == BUILD__STATE__STATE_COMPLETED;
    get_memory(build);
}

/* Is the result of a build that has ended well still there? */
static void
on_result(vmx_ask *ask)
{
    vmx_build *build = ask->build;
    if (vmx_build_halted(build))
        return;
    if (ask->reply == NULL && ask->error.code != VMX_ERR_NOT_FOUND)
        vmx_build_fail(build, &ask->error);
    else if (ask->reply != NULL && vmx_download_plan(build, ask->reply))
        adopt_job(build, build->found);
    else if (ask->reply == NULL && vmx_build_next_key(build))
        find_job(build);
    else
        vmx_build_fail_with(build, VMX_ERR_NO_MEMORY, "out of memory");
}

static void
find_result(vmx_build *build)
{
    Repository__StatBlobRequest request;
    repository__stat_blob_request__init(&request);
    request.name = build->settings.result_blob;
    vmx_ask_start(&build->watch.ask, build, REPOSITORY "StatBlob", &request.base, &repository__blob__descriptor,
                  on_result);
}

static void
on_found(vmx_ask *ask)
{
    vmx_build *build = ask->build;
    vmx_pb_build *job = ask->reply;
    if (vmx_build_halted(build))
        return;
    if (job == NULL && ask->error.code != VMX_ERR_NOT_FOUND) {
        vmx_build_fail(build, &ask->error);
    } else if (job != NULL && job->state == BUILD__STATE__STATE_COMPLETED) {
        build->found = job; /* lives as long as `ask` is not used again */
        if (vmx_build_keep_jobs(build, &job, 1))
            find_result(build);
        else
            vmx_build_fail_with(build, VMX_ERR_NO_MEMORY, "out of memory");
    } else if (job != NULL && job->state < BUILD__STATE__STATE_COMPLETED) {
        adopt_job(build, job);
    } else {
        build->retried = job != NULL;
        get_memory(build);
    }
}

static void
find_job(vmx_build *build)
{
    Build__GetBuildRequest request;
    build__get_build_request__init(&request);
    request.idempotency_key = build->settings.key;
    request.tenant_id = build->settings.tenant;
    vmx_ask_start(&build->ask, build, BUILDS "GetBuild", &request.base, &build__build__descriptor, on_found);
}

static void
run_look(vmx_chore *chore)
{
    chore->build->finished_before = vmx_output_is_finished(chore->build);
}

static void
stop_nothing(vmx_actor *actor)
{
    (void)actor; /* a chore cannot be stopped: the actor ends with it */
}

static void
on_looked(vmx_chore *chore)
{
    vmx_build *build = chore->build;
    vmx_actor_end(build, &build->download.actor);
    if (vmx_build_halted(build))
        return;
    if (build->finished_before)
        vmx_clean_begin(build);
    else
        find_job(build);
}

/* --- the check ----------------------------------------------------------------------------------------------------- */

static void
after_check(vmx_build *build)
{
    if (!build->settings.keyed) {
        get_memory(build);
        return;
    }
    vmx_actor_begin(build, &build->download.actor, stop_nothing);
    vmx_chore_start(&build->download.chore, build, run_look, on_looked);
}

static void
on_repository(vmx_ask *ask)
{
    vmx_build *build = ask->build;
    const Repository__RepositoryDescription *found = ask->reply;
    if (vmx_build_halted(build))
        return;
    uint64_t needed = build->vectors.blob.size_bytes + build->ids.blob.size_bytes;
    if (found == NULL)
        vmx_build_fail(build, &ask->error);
    else if (found->quota_bytes > 0 && needed > found->quota_bytes)
        vmx_build_fail_with(build, VMX_ERR_RESOURCE_EXHAUSTED,
                            "%s at %s: the repository takes %llu bytes in all, and these vectors are %llu",
                            build->op.name, build->parts.caller->endpoint, (unsigned long long)found->quota_bytes,
                            (unsigned long long)needed);
    else
        after_check(build);
}

static bool
builder_can(const vmx_build *build, const Build__BuilderDescription *found)
{
    bool half = build->settings.spec.data_type == VMX_DATA_FLOAT16;
    for (size_t i = 0; i < found->n_data_types; i++)
        if (found->data_types[i] == (half ? BUILD__DATA_TYPE__DATA_TYPE_FLOAT16 : BUILD__DATA_TYPE__DATA_TYPE_FLOAT32))
            return true;
    return false;
}

static void
on_builder(vmx_ask *ask)
{
    vmx_build *build = ask->build;
    Repository__DescribeRepositoryRequest request;
    if (vmx_build_halted(build))
        return;
    if (ask->reply == NULL) {
        vmx_build_fail(build, &ask->error);
        return;
    }
    if (!builder_can(build, ask->reply)) {
        vmx_build_fail_with(build, VMX_ERR_UNSUPPORTED, "%s at %s: the server does not build this data type",
                            build->op.name, build->parts.caller->endpoint);
        return;
    }
    repository__describe_repository_request__init(&request);
    vmx_ask_start(&build->ask, build, REPOSITORY "DescribeRepository", &request.base,
                  &repository__repository_description__descriptor, on_repository);
}

static void
check(vmx_build *build)
{
    char why[160];
    Build__DescribeBuilderRequest request;
    vmx_build_decline(build, why, sizeof why);
    if (why[0] != '\0') {
        vmx_build_fail_with(build, VMX_ERR_UNSUPPORTED, "%s", why);
        return;
    }
    vmx_error error;
    if (vmx_workers_choose(build->parts.workers, &build->worker, &error) != VMX_OK) {
        vmx_build_fail(build, &error);
        return;
    }
    build__describe_builder_request__init(&request);
    vmx_ask_start(&build->ask, build, BUILDS "DescribeBuilder", &request.base, &build__builder_description__descriptor,
                  on_builder);
}

/* --- from phase to phase ------------------------------------------------------------------------------------------- */

void
vmx_build_uploaded(vmx_build *build)
{
    if (!vmx_build_halted(build))
        vmx_trigger_begin(build);
}

void
vmx_build_built(vmx_build *build, const vmx_pb_build *job)
{
    if (build->kind == VMX_BUILD_IN_PLACE)
        vmx_clean_begin(build);
    else if (vmx_download_plan(build, job->result))
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
    arm_deadline(build);
    switch (build->kind) {
    case VMX_BUILD_REMOTE:
        check(build);
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

static const vmx_op_vtable op_vtable = {.cancel = cancel_build, .destroy = destroy_build};

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
    build->stop_task.run = run_stop;
    build->buffers_task.run = run_buffers;
    build->buffers_post.run = run_buffers_post;
    build->memory_task.run = run_memory;
    build->memory_post.run = run_memory_post;
    build->deadline_task.run = run_deadline;
    vmx_op_init(&build->op, &op_vtable, name, parts->host, queue, user);
    return build;
}

vmx_op *
vmx_build_op(vmx_build *build)
{
    return &build->op;
}

static void
release_source(void *user)
{
    vmx_source_free(user);
}

/* Takes the source for this build alone. */
static vmx_status
take_source(vmx_build *build, vmx_source *source, vmx_error *error)
{
    if (atomic_exchange(&source->taken, true))
        return vmx_error_set(error, VMX_ERR_INVALID, "build: another build uses this source; make one for each");
    build->source_taken = true;
    build->source = vmx_source_acquire(source);
    build->lender = vmx_lender_new(release_source, vmx_source_acquire(source));
    build->ids.wanted = source->ids != NULL;
    build->ids_rows = vmx_source_ids(source);
    if (build->lender == NULL)
        vmx_source_free(source);
    return build->lender != NULL && build->ids_rows != NULL ? VMX_OK : vmx_error_no_memory(error);
}

vmx_status
vmx_build_prepare(vmx_build *build, vmx_source *source, const vmx_build_spec *spec, const vmx_call_settings *settings,
                  int64_t total_timeout_ms, vmx_error *error)
{
    build->kind = VMX_BUILD_REMOTE;
    build->settings.call = *settings;
    build->settings.total_timeout_ms = total_timeout_ms;
    vmx_status status = take_source(build, source, error);
    if (status == VMX_OK)
        status = vmx_build_settings_make(build, spec, error);
    if (status != VMX_OK)
        return status;
    const vmx_build_spec *ours = &build->settings.spec;
    vmx_blob_init(&build->vectors.blob, source->vectors,
                  ours->data_type == VMX_DATA_FLOAT16 ? VMX_BLOB_FLOAT16 : VMX_BLOB_AS_IS,
                  ours->space == VMX_SPACE_COSINE);
    vmx_blob_init(&build->ids.blob, build->ids_rows, VMX_BLOB_AS_IS, false);
    build->vectors.name = build->settings.vector_blob;
    build->ids.name = build->settings.doc_id_blob;
    build->sender_count = build->settings.streams_up;
    return VMX_OK;
}

vmx_status
vmx_build_prepare_in_place(vmx_build *build, vmx_str name_space, const vmx_build_spec *spec,
                           const vmx_call_settings *settings, int64_t total_timeout_ms, vmx_error *error)
{
    build->kind = VMX_BUILD_IN_PLACE;
    build->settings.call = *settings;
    build->settings.total_timeout_ms = total_timeout_ms;
    build->settings.name_space = (char *)(uintptr_t)vmx_arena_str(&build->op.arena, name_space).ptr;
    if (build->settings.name_space == NULL)
        return vmx_error_no_memory(error);
    return vmx_build_settings_make(build, spec, error);
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
    if (build->counted)
        vmx_count(remote ? &build->parts.counters->current_remote : &build->parts.counters->current_in_place, 1);
    vmx_count(&build->parts.counters->current_bytes, build->vectors.blob.size_bytes);
    *op = &build->op;
    vmx_op_acquire(&build->op); /* for run_post */
    transport_of(build)->post(build->parts.loop, &build->post_task);
    return VMX_OK;
}
