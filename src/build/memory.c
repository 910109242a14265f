/*
 * The memory of a build: all that it holds at once is reserved from memory.limit.bytes before the first byte, in line
 * with everybody else who wants some, and is then cut into buffers (buffers.h), the scratch of the conversions, and for
 * an iterator the window of rows that the server has not confirmed yet.
 */
#include "build/chunk.h"
#include "build/internal.h"
#include "core/alloc.h"

/* --- how much ------------------------------------------------------------------------------------------------------ */

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

/* A sender has two buffers: one is filled while the other is sent. */
static size_t
sending_bytes(const vmx_build *build)
{
    return 2 * build->settings.streams_up * vmx_memory_block_bytes(buffer_bytes(build));
}

/* A fetcher has two messages, one that is written and one that comes, and the transport may hold as much more as
 * receive_ahead_bytes, twice: of what nobody has asked for, and of memory that belongs to messages in part. A splicer has
 * a buffer beside them. */
static size_t
receiving_bytes(const vmx_build *build)
{
    size_t ahead = build->parts.caller->receive_ahead_bytes;
    size_t splicing = build->settings.spec.graph_only ? vmx_memory_block_bytes(buffer_bytes(build)) : 0;
    return 2 * build->settings.streams_down * (buffer_bytes(build) + ahead) + splicing;
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

/* --- buffers ------------------------------------------------------------------------------------------------------- */

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
    bool comes;
    vmx_block *block = vmx_buffers_take(build->buffers, data, &comes);
    *data = block != NULL ? *data + VMX_CHUNK_HEAD : NULL;
    if (block == NULL && !comes)
        vmx_build_fail_with(build, VMX_ERR_NO_MEMORY, "out of memory");
    return block;
}

/* --- in line ------------------------------------------------------------------------------------------------------- */

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
    build->buffers_task.run = run_buffers;
    build->buffers_post.run = run_buffers_post;
    vmx_memory_assign(build->parts.memory, VMX_MEMORY_BUILD, build->reserved_bytes);
    build->buffers = vmx_buffers_new(build->parts.memory, build->reserved_bytes, buffer_count(build),
                                     buffer_bytes(build), &build->op, build->parts.loop, &build->buffers_post);
    if (build->buffers == NULL) {
        vmx_memory_unassign(build->parts.memory, VMX_MEMORY_BUILD, build->reserved_bytes);
        vmx_memory_release(build->parts.memory, build->reserved_bytes);
    }
    build->scratch = vmx_alloc(scratch_bytes(build));
    if (build->buffers == NULL || build->scratch == NULL || !make_window(build)) {
        vmx_build_fail_with(build, VMX_ERR_NO_MEMORY, "out of memory");
        return;
    }
    build->vectors.blob.scratch = build->ids.blob.scratch = build->scratch;
    vmx_build_has_memory(build);
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
    build->parts.caller->transport->vtable->post(build->parts.loop, &build->memory_post);
}

void
vmx_build_reserve(vmx_build *build)
{
    size_t sending = sending_bytes(build), receiving = receiving_bytes(build);
    build->reserved_bytes = (sending > receiving ? sending : receiving) + scratch_bytes(build) + window_bytes(build) +
                            vmx_memory_block_bytes(0);
    if (build->reserved_bytes > vmx_memory_limit(build->parts.memory)) {
        vmx_build_fail_with(build, VMX_ERR_TOO_LARGE,
                            "build: %zu bytes are needed at once and memory.limit.bytes is %zu; raise it, or lower "
                            "build.chunk.bytes",
                            build->reserved_bytes, vmx_memory_limit(build->parts.memory));
        return;
    }
    build->listener.kick = on_kick;
    build->memory_task.run = run_memory;
    build->memory_post.run = run_memory_post;
    build->listening = true;
    vmx_memory_listen(build->parts.memory, &build->listener);
    vmx_actor_begin(build, &build->memory_actor, stop_memory);
    vmx_memory_queue(build->parts.memory, &build->reservation, build->reserved_bytes);
    if (!atomic_exchange(&build->memory_told, true))
        vmx_op_submit(&build->op, &build->memory_task);
}

void
vmx_build_unreserve(vmx_build *build)
{
    vmx_buffers_close(build->buffers);
    build->buffers = NULL;
    if (build->listening)
        vmx_memory_unlisten(build->parts.memory, &build->listener);
    build->listening = false;
    vmx_rows_release(build->window);
    build->window = NULL;
}
