/*
 * A fetcher reads parts of the result, one after the other, each as a server stream, and writes what comes to its place in
 * the file. While one message is written the next one comes. A range that breaks off goes on behind its last written
 * byte; a part of which something else comes than was asked for, or whose digest is wrong, begins anew: a bit may have
 * flipped on the way.
 */
#include <stdio.h>
#include <string.h>

#include "build/chunk.h"
#include "build/internal.h"
#include "core/error.h"

#define MAX_RESTARTS 3

static void
next_part(vmx_fetcher *fetcher);
static void
judge(vmx_fetcher *fetcher);

static void
end_if_quiet(vmx_fetcher *fetcher)
{
    if (fetcher->chore.busy || fetcher->flow.phase != VMX_FLOW_IDLE)
        return;
    vmx_message_clear(&fetcher->held);
    fetcher->buffer = vmx_block_release(fetcher->buffer);
    if (fetcher->actor.active)
        vmx_actor_end(fetcher->build, &fetcher->actor);
}

static void
fail(vmx_fetcher *fetcher, const vmx_error *why)
{
    vmx_build_fail(fetcher->build, why);
    end_if_quiet(fetcher);
}

static void
stop_fetcher(vmx_actor *actor)
{
    vmx_fetcher *fetcher = VMX_OWNER(vmx_fetcher, actor, actor);
    vmx_flow_cancel(&fetcher->flow);
    end_if_quiet(fetcher);
}

/* Gives up what comes of the part; once the stream has ended it is judged. */
static void
spoil(vmx_fetcher *fetcher, const vmx_error *why)
{
    bool over = fetcher->over;
    fetcher->spoilt = *why;
    vmx_message_clear(&fetcher->held);
    vmx_flow_cancel(&fetcher->flow);
    if (over && !fetcher->chore.busy)
        judge(fetcher);
}

/* --- places in the file -------------------------------------------------------------------------------------------- */

/* A piece of the form, at `from`, and where it goes. */
typedef struct place {
    uint64_t file; /* UINT64_MAX: nowhere, it stands for the vectors */
    size_t len;    /* of the piece that goes there */
} place;

static place
place_of(const vmx_placement *to, uint64_t from, size_t len)
{
    uint64_t null_end = to->splice + 4;
    if (!to->graph_only)
        return (place){from, len};
    if (from >= null_end)
        return (place){from - 4 + to->head_bytes + to->vector_bytes, len};
    uint64_t until = from < to->splice ? to->splice : null_end;
    size_t some = until - from < len ? (size_t)(until - from) : len;
    return (place){from < to->splice ? from : UINT64_MAX, some};
}

static bool
is_null(const vmx_placement *to, uint64_t from, const uint8_t *bytes, size_t len)
{
    return memcmp(bytes, &"null"[from - to->splice], len) == 0;
}

/* Takes bytes of the part into digest and file. */
static bool
write_piece(void *user, const uint8_t *piece, size_t len)
{
    vmx_fetcher *fetcher = user;
    const vmx_placement *to = &fetcher->build->download.placement;
    vmx_digest_update(&fetcher->digest, piece, len);
    while (len > 0) {
        uint64_t from = fetcher->offset + fetcher->at;
        place there = place_of(to, from, len);
        if (there.file != UINT64_MAX)
            vmx_output_write(fetcher->build, piece, there.len, there.file, &fetcher->chore.error);
        else if (!is_null(to, from, piece, there.len))
            vmx_error_set(&fetcher->chore.error, VMX_ERR_PROTOCOL,
                          "build: the graph-only result has no \"null\" at byte %llu; download the full form",
                          (unsigned long long)to->splice);
        if (fetcher->chore.error.code != VMX_OK)
            return false;
        fetcher->at += there.len;
        piece += there.len;
        len -= there.len;
    }
    return true;
}

/* --- writing ------------------------------------------------------------------------------------------------------- */

static void
run_write(vmx_chore *chore)
{
    vmx_fetcher *fetcher = VMX_OWNER(vmx_fetcher, chore, chore);
    vmx_range_data data;
    bool sound = vmx_range_parse(&fetcher->writing, &data) && data.offset == fetcher->offset + fetcher->at &&
                 data.len <= fetcher->size_bytes - fetcher->at;
    if (sound)
        vmx_range_walk(&fetcher->writing, &data, write_piece, fetcher);
    else
        vmx_error_set(&chore->error, VMX_ERR_PROTOCOL,
                      "build: what came for part %u is not the range that was asked for", fetcher->part);
}

static void
on_written(vmx_chore *chore);

static void
write_held(vmx_fetcher *fetcher)
{
    vmx_message_move(&fetcher->writing, &fetcher->held);
    vmx_chore_start(&fetcher->chore, fetcher->build, run_write, on_written);
    vmx_flow_recv(&fetcher->flow);
}

static void
on_written(vmx_chore *chore)
{
    vmx_fetcher *fetcher = VMX_OWNER(vmx_fetcher, chore, chore);
    vmx_message_clear(&fetcher->writing);
    if (vmx_build_halted(fetcher->build)) {
        end_if_quiet(fetcher);
    } else if (chore->error.code == VMX_ERR_PROTOCOL) {
        spoil(fetcher, &chore->error);
    } else if (chore->error.code != VMX_OK) {
        fail(fetcher, &chore->error);
    } else {
        vmx_flow_touch(&fetcher->flow);
        vmx_flow_moved(&fetcher->flow);
        if (fetcher->held.count > 0)
            write_held(fetcher);
        else if (fetcher->over)
            judge(fetcher);
    }
}

/* --- the stream ---------------------------------------------------------------------------------------------------- */

static void
on_ready(vmx_flow *flow)
{
    vmx_fetcher *fetcher = VMX_OWNER(vmx_fetcher, flow, flow);
    const vmx_download *download = &fetcher->build->download;
    Repository__ReadRangeRequest request;
    vmx_message message;
    repository__read_range_request__init(&request);
    request.name = (char *)(uintptr_t)download->blob;
    request.form = download->placement.graph_only ? REPOSITORY__FORM__FORM_GRAPH_ONLY : REPOSITORY__FORM__FORM_FULL;
    request.offset = fetcher->offset + fetcher->at;
    request.length = fetcher->size_bytes - fetcher->at;
    request.chunk_bytes = (uint32_t)fetcher->build->settings.chunk_bytes;
    request.if_digest = (ProtobufCBinaryData){download->digest_bytes, (uint8_t *)(uintptr_t)download->form_digest};
    if (!vmx_pack(&request.base, &message)) {
        vmx_flow_cancel(flow);
        return;
    }
    vmx_flow_send(flow, &message, true);
    vmx_message_clear(&message);
    vmx_flow_recv(flow);
}

static void
on_sent(vmx_flow *flow)
{
    (void)flow;
}

/* A server that sends more at a time than was asked for would take memory that nobody has reserved. */
static void
refuse(vmx_fetcher *fetcher, size_t size_bytes)
{
    vmx_error why;
    vmx_error_set(&why, VMX_ERR_PROTOCOL,
                  "%s at %s: part %u of %s: a message of %zu bytes came where %zu had been asked for",
                  fetcher->build->op.name, fetcher->build->parts.caller->endpoint, fetcher->part,
                  fetcher->build->download.blob, size_bytes, fetcher->build->settings.chunk_bytes);
    spoil(fetcher, &why);
}

static void
on_message(vmx_flow *flow, vmx_message *message)
{
    vmx_fetcher *fetcher = VMX_OWNER(vmx_fetcher, flow, flow);
    vmx_build *build = fetcher->build;
    if (vmx_build_halted(build) || fetcher->spoilt.code != VMX_OK)
        return;
    if (message->size_bytes > build->settings.chunk_bytes + VMX_CHUNK_HEAD) {
        refuse(fetcher, message->size_bytes);
        return;
    }
    atomic_fetch_add(&build->downloaded, message->size_bytes);
    atomic_fetch_add(&build->bytes_done, message->size_bytes);
    vmx_count(&build->parts.counters->downloaded_bytes, message->size_bytes);
    vmx_message_move(&fetcher->held, message);
    if (!fetcher->chore.busy)
        write_held(fetcher);
}

static void
on_ended(vmx_flow *flow)
{
    vmx_fetcher *fetcher = VMX_OWNER(vmx_fetcher, flow, flow);
    fetcher->over = true;
    if (vmx_build_halted(fetcher->build))
        end_if_quiet(fetcher);
    else if (!fetcher->chore.busy && fetcher->held.count == 0)
        judge(fetcher);
}

static void
open_stream(vmx_fetcher *fetcher)
{
    fetcher->over = false;
    vmx_flow_start(&fetcher->flow, VMX_REPOSITORY_SERVICE "ReadRange");
}

static void
on_resumed(vmx_flow *flow)
{
    vmx_fetcher *fetcher = VMX_OWNER(vmx_fetcher, flow, flow);
    if (vmx_build_halted(fetcher->build))
        end_if_quiet(fetcher);
    else
        open_stream(fetcher);
}

/* --- what came of it ----------------------------------------------------------------------------------------------- */

static bool
digest_is_right(const vmx_fetcher *fetcher)
{
    uint8_t mine[VMX_DIGEST_MAX_BYTES];
    const vmx_download *download = &fetcher->build->download;
    size_t len = vmx_digest_peek(&fetcher->digest, mine);
    return len > 0 && memcmp(mine, download->part_digests + fetcher->part * len, len) == 0;
}

static bool
restart(vmx_fetcher *fetcher)
{
    atomic_fetch_sub(&fetcher->build->bytes_done, fetcher->at);
    fetcher->at = 0;
    fetcher->flow.cancelled = false;
    vmx_error_clear(&fetcher->spoilt);
    return vmx_digest_begin(&fetcher->digest, fetcher->build->download.digest);
}

static void
run_note(vmx_chore *chore)
{
    const vmx_fetcher *fetcher = VMX_OWNER(vmx_fetcher, chore, chore);
    vmx_output_note_part(fetcher->build, fetcher->part, &chore->error);
}

static void
on_noted(vmx_chore *chore)
{
    vmx_fetcher *fetcher = VMX_OWNER(vmx_fetcher, chore, chore);
    if (vmx_build_halted(fetcher->build)) {
        end_if_quiet(fetcher);
    } else if (chore->error.code != VMX_OK) {
        fail(fetcher, &chore->error);
    } else {
        vmx_download_part_done(fetcher->build, fetcher->part);
        next_part(fetcher);
    }
}

static void
give_up(vmx_fetcher *fetcher)
{
    char what[96];
    vmx_error why;
    snprintf(what, sizeof what, "part %u of %.64s", fetcher->part, fetcher->build->download.blob);
    vmx_flow_failure(&fetcher->flow, what, &why);
    fail(fetcher, &why);
}

static void
blame_digest(vmx_fetcher *fetcher)
{
    vmx_error_set(&fetcher->spoilt, VMX_ERR_PROTOCOL, "%s at %s: part %u of %s came %u times with a wrong %s digest",
                  fetcher->build->op.name, fetcher->build->parts.caller->endpoint, fetcher->part,
                  fetcher->build->download.blob, fetcher->restarts + 1, vmx_digest_name(fetcher->digest.algorithm));
}

/* What came was not what the server has stored. */
static void
retry_spoilt(vmx_fetcher *fetcher)
{
    if (fetcher->spoilt.code == VMX_OK)
        blame_digest(fetcher);
    vmx_error why = fetcher->spoilt;
    if (fetcher->restarts++ < MAX_RESTARTS && restart(fetcher)) {
        atomic_fetch_add(&fetcher->build->retries, 1);
        vmx_count(&fetcher->build->parts.counters->range_retries, 1);
        open_stream(fetcher);
        return;
    }
    fail(fetcher, &why);
}

static void
judge(vmx_fetcher *fetcher)
{
    vmx_flow *flow = &fetcher->flow;
    bool whole = fetcher->at == fetcher->size_bytes, spoilt = fetcher->spoilt.code != VMX_OK;
    if (flow->verdict == VMX_VERDICT_OK && whole && !spoilt && digest_is_right(fetcher)) {
        vmx_chore_start(&fetcher->chore, fetcher->build, run_note, on_noted);
        return;
    }
    if (spoilt || (flow->verdict == VMX_VERDICT_OK && whole)) {
        retry_spoilt(fetcher);
        return;
    }
    int code = flow->reply.grpc_code;
    if (code == VMX_GRPC_OK || code == VMX_GRPC_INTERNAL || code == VMX_GRPC_UNKNOWN || code == VMX_GRPC_CANCELLED)
        flow->verdict = VMX_VERDICT_RETRIABLE; /* it broke off: the policy says how often */
    bool again = vmx_flow_pause(flow);
    if (again && whole && !restart(fetcher))
        again = false;
    if (!again) {
        give_up(fetcher);
        return;
    }
    atomic_fetch_add(&fetcher->build->retries, 1);
    vmx_count(&fetcher->build->parts.counters->range_retries, 1);
}

/* --- parts of an earlier run --------------------------------------------------------------------------------------- */

/* Digests what stands in the file. */
static void
run_verify(vmx_chore *chore)
{
    vmx_fetcher *fetcher = VMX_OWNER(vmx_fetcher, chore, chore);
    const vmx_placement *to = &fetcher->build->download.placement;
    while (fetcher->at < fetcher->size_bytes && chore->error.code == VMX_OK) {
        uint64_t left = fetcher->size_bytes - fetcher->at, chunk = fetcher->build->settings.chunk_bytes;
        uint64_t from = fetcher->offset + fetcher->at;
        place there = place_of(to, from, (size_t)(left < chunk ? left : chunk));
        if (there.file != UINT64_MAX)
            vmx_output_read(fetcher->build, fetcher->data, there.len, there.file, &chore->error);
        else
            memcpy(fetcher->data, &"null"[from - to->splice], there.len);
        vmx_digest_update(&fetcher->digest, fetcher->data, there.len);
        fetcher->at += there.len;
    }
}

static void
on_verified(vmx_chore *chore)
{
    vmx_fetcher *fetcher = VMX_OWNER(vmx_fetcher, chore, chore);
    fetcher->buffer = vmx_block_release(fetcher->buffer);
    fetcher->verifying = false;
    atomic_fetch_add(&fetcher->build->bytes_done, fetcher->at);
    if (vmx_build_halted(fetcher->build)) {
        end_if_quiet(fetcher);
    } else if (chore->error.code == VMX_OK && digest_is_right(fetcher)) {
        vmx_download_part_done(fetcher->build, fetcher->part);
        next_part(fetcher);
    } else if (restart(fetcher)) {
        open_stream(fetcher);
    } else {
        vmx_error_no_memory(&chore->error);
        fail(fetcher, &chore->error);
    }
}

void
vmx_fetcher_pump(vmx_fetcher *fetcher)
{
    if (!fetcher->actor.active || !fetcher->verifying || fetcher->buffer != NULL || vmx_build_halted(fetcher->build))
        return;
    fetcher->buffer = vmx_build_take_buffer(fetcher->build, &fetcher->data);
    if (fetcher->buffer != NULL)
        vmx_chore_start(&fetcher->chore, fetcher->build, run_verify, on_verified);
}

/* --- parts --------------------------------------------------------------------------------------------------------- */

static void
next_part(vmx_fetcher *fetcher)
{
    vmx_download *download = &fetcher->build->download;
    if (vmx_build_halted(fetcher->build) || download->next >= download->part_count) {
        end_if_quiet(fetcher);
        return;
    }
    fetcher->part = download->next++;
    fetcher->offset = fetcher->part * download->part_bytes;
    uint64_t left = download->placement.total_bytes - fetcher->offset;
    fetcher->size_bytes = left < download->part_bytes ? left : download->part_bytes;
    fetcher->at = 0;
    fetcher->restarts = 0;
    if (!vmx_digest_begin(&fetcher->digest, download->digest)) {
        vmx_error_no_memory(&fetcher->chore.error);
        fail(fetcher, &fetcher->chore.error);
        return;
    }
    fetcher->verifying = download->output.existed && download->output.done[fetcher->part] != 0;
    if (fetcher->verifying)
        vmx_fetcher_pump(fetcher);
    else
        open_stream(fetcher);
}

void
vmx_fetcher_start(vmx_fetcher *fetcher, vmx_build *build)
{
    static const vmx_flow_hooks hooks = {
        .ready = on_ready, .sent = on_sent, .message = on_message, .ended = on_ended, .resumed = on_resumed};
    vmx_call_settings settings = build->settings.call;
    settings.deadline_us = build->settings.deadline_us;
    fetcher->build = build;
    vmx_flow_init(&fetcher->flow, build->parts.caller, &build->op, build->parts.loop, &settings,
                  build->settings.idle_timeout_ms, &hooks);
    fetcher->flow_begun = true;
    vmx_actor_begin(build, &fetcher->actor, stop_fetcher);
    next_part(fetcher);
}

void
vmx_fetcher_clear(vmx_fetcher *fetcher)
{
    vmx_message_clear(&fetcher->held);
    vmx_message_clear(&fetcher->writing);
    fetcher->buffer = vmx_block_release(fetcher->buffer);
    vmx_digest_free(&fetcher->digest);
    if (fetcher->flow_begun)
        vmx_flow_clear(&fetcher->flow);
}
