/*
 * A sender writes parts, one after the other, each as a client stream: a header, chunks, an end. While one chunk is on
 * its way the next is made ready by a chore: read, converted, digested. What a broken stream has left confirmed is asked
 * for, digested again from the source and gone on from.
 */
#include <stdio.h>
#include <string.h>

#include "build/chunk.h"
#include "build/internal.h"
#include "core/alloc.h"
#include "core/error.h"

/* How often a part begins anew because its digest was wrong before the upload is given up. */
#define MAX_RESTARTS 3

typedef Repository__WritePartRequest write_request;
typedef Repository__WritePartResponse write_response;

static void
next_part(vmx_sender *sender);
static void
begin_part(vmx_sender *sender);
static void
on_resumed(vmx_flow *flow);

static vmx_part *
part_of(const vmx_sender *sender)
{
    return &sender->upload->parts[sender->part];
}

static void
drop_buffer(vmx_sender *sender)
{
    vmx_message_clear(&sender->prepared);
    sender->buffer = vmx_block_release(sender->buffer);
    sender->piece = 0;
}

/* Ends when nothing of it is under way any more; for a build that stops. */
static void
end_if_quiet(vmx_sender *sender)
{
    if (sender->streaming || sender->chore.busy || sender->ask.actor.active || sender->flow.phase != VMX_FLOW_IDLE)
        return;
    drop_buffer(sender);
    if (sender->actor.active)
        vmx_actor_end(sender->build, &sender->actor);
}

static void
fail(vmx_sender *sender, const vmx_error *why)
{
    vmx_build_fail(sender->build, why);
    end_if_quiet(sender);
}

static void
stop_sender(vmx_actor *actor)
{
    vmx_sender *sender = VMX_OWNER(vmx_sender, actor, actor);
    vmx_flow_cancel(&sender->flow);
    end_if_quiet(sender);
}

/* --- making chunks ready ------------------------------------------------------------------------------------------- */

static size_t
next_piece(const vmx_sender *sender, uint64_t from, uint64_t to)
{
    const vmx_blob *blob = &sender->upload->blob;
    uint64_t left = to - from, chunk = sender->build->settings.chunk_bytes;
    if (left <= chunk)
        return (size_t)left;
    if (chunk < blob->row_bytes)
        return (size_t)chunk;
    return (size_t)(chunk - (sender->offset + from + chunk) % blob->row_bytes); /* ends with a row */
}

/* On the worker: the bytes from `at` on, and their digest. */
static void
run_read(vmx_chore *chore)
{
    vmx_sender *sender = VMX_OWNER(vmx_sender, chore, chore);
    bool lent = sender->buffer == NULL;
    if (!lent)
        vmx_blob_read(&sender->upload->blob, sender->offset + sender->at, sender->piece, sender->data, &chore->error);
    if (chore->error.code != VMX_OK)
        return;
    vmx_digest_update(&sender->digest, sender->data, sender->piece);
    sender->crc = sender->digest.algorithm == VMX_DIGEST_CRC32C ? sender->digest.crc32c
                                                                : vmx_crc32c(sender->crc, sender->data, sender->piece);
}

/* The chunk's head before its data: in the same buffer, or in a small one of its own before lent memory. */
static bool
wrap(vmx_sender *sender)
{
    uint8_t head[VMX_CHUNK_HEAD], *place;
    size_t len = vmx_chunk_head(head + sizeof head, sender->piece, sender->crc);
    if (sender->buffer != NULL) {
        memcpy(sender->data - len, head + sizeof head - len, len);
        vmx_message_init_one(&sender->prepared, sender->buffer, sender->data - len, len + sender->piece);
        sender->buffer = NULL;
        return true;
    }
    vmx_block *small = vmx_block_new(len, &place);
    if (small == NULL)
        return false;
    vmx_slice *slices = vmx_alloc(2 * sizeof *slices);
    if (slices == NULL) {
        vmx_block_release(small);
        return false;
    }
    memcpy(place, head + sizeof head - len, len);
    slices[0] = (vmx_slice){place, len, small};
    slices[1] = (vmx_slice){sender->data, sender->piece, vmx_block_acquire(sender->build->lender)};
    sender->prepared = (vmx_message){.slices = slices, .count = 2, .size_bytes = len + sender->piece};
    return true;
}

static void
on_prepared(vmx_chore *chore)
{
    vmx_sender *sender = VMX_OWNER(vmx_sender, chore, chore);
    if (vmx_build_halted(sender->build)) {
        end_if_quiet(sender);
    } else if (chore->error.code != VMX_OK) {
        fail(sender, &chore->error);
    } else if (!sender->streaming) { /* it was for a stream that has broken off meanwhile */
        drop_buffer(sender);
        if (sender->flow.phase == VMX_FLOW_IDLE)
            on_resumed(&sender->flow);
    } else if (!wrap(sender)) {
        vmx_error_no_memory(&chore->error);
        fail(sender, &chore->error);
    } else {
        sender->at += sender->piece;
        vmx_flow_touch(&sender->flow);
        vmx_sender_pump(sender);
    }
}

/* Memory for the next piece: lent, or a buffer; false: none is free now. */
static bool
get_memory(vmx_sender *sender, uint64_t from)
{
    const uint8_t *lent = vmx_blob_view(&sender->upload->blob, sender->offset + from, sender->piece);
    if (lent != NULL) {
        sender->data = (uint8_t *)(uintptr_t)lent;
        return true;
    }
    sender->buffer = vmx_build_take_buffer(sender->build, &sender->data);
    return sender->buffer != NULL;
}

static void
prepare(vmx_sender *sender)
{
    sender->piece = next_piece(sender, sender->at, sender->size_bytes);
    if (get_memory(sender, sender->at))
        vmx_chore_start(&sender->chore, sender->build, run_read, on_prepared);
}

/* --- digesting again what is confirmed ------------------------------------------------------------------------------ */

static bool
restart_digest(vmx_sender *sender)
{
    sender->at = sender->sent = 0;
    sender->crc = 0;
    return vmx_digest_begin(&sender->digest, sender->build->settings.digest);
}

static void
open_stream(vmx_sender *sender)
{
    sender->sent = sender->at;
    sender->ended = sender->answered = sender->sending = false;
    sender->streaming = true;
    vmx_flow_start(&sender->flow, VMX_REPOSITORY_SERVICE "WritePart");
}

/* The confirmed bytes are the source's, or the part begins anew. */
static void
end_redigest(vmx_sender *sender)
{
    uint8_t mine[VMX_DIGEST_MAX_BYTES];
    size_t len = vmx_digest_peek(&sender->digest, mine);
    bool same = len > 0 && memcmp(mine, part_of(sender)->digest, len) == 0;
    if (!same && !restart_digest(sender)) {
        vmx_error_no_memory(&sender->chore.error);
        fail(sender, &sender->chore.error);
        return;
    }
    atomic_fetch_add(&sender->build->bytes_done, sender->at);
    open_stream(sender);
}

static void
on_redigested(vmx_chore *chore)
{
    vmx_sender *sender = VMX_OWNER(vmx_sender, chore, chore);
    sender->buffer = vmx_block_release(sender->buffer);
    if (vmx_build_halted(sender->build)) {
        end_if_quiet(sender);
    } else if (chore->error.code != VMX_OK) {
        fail(sender, &chore->error);
    } else {
        sender->at += sender->piece;
        vmx_sender_pump(sender);
    }
}

static void
redigest(vmx_sender *sender)
{
    sender->piece = next_piece(sender, sender->at, sender->prefix);
    if (get_memory(sender, sender->at))
        vmx_chore_start(&sender->chore, sender->build, run_read, on_redigested);
}

/* --- the stream ---------------------------------------------------------------------------------------------------- */

static bool
send_request(vmx_sender *sender, const write_request *request, bool last)
{
    vmx_message message;
    if (!vmx_pack(&request->base, &message))
        return false;
    sender->sending = true;
    vmx_flow_send(&sender->flow, &message, last);
    vmx_message_clear(&message);
    return true;
}

static void
send_header(vmx_sender *sender)
{
    write_request request;
    Repository__WritePartHeader header;
    repository__write_part_request__init(&request);
    repository__write_part_header__init(&header);
    header.upload_id = sender->upload->id;
    header.part_number = sender->part;
    header.offset = sender->at;
    request.message_case = REPOSITORY__WRITE_PART_REQUEST__MESSAGE_HEADER;
    request.header = &header;
    if (!send_request(sender, &request, false))
        vmx_flow_cancel(&sender->flow);
}

static void
send_end(vmx_sender *sender)
{
    uint8_t digest[VMX_DIGEST_MAX_BYTES];
    write_request request;
    Repository__PartEnd end;
    repository__write_part_request__init(&request);
    repository__part_end__init(&end);
    end.digest = (ProtobufCBinaryData){vmx_digest_peek(&sender->digest, digest), digest};
    memcpy(part_of(sender)->digest, digest, end.digest.len);
    request.message_case = REPOSITORY__WRITE_PART_REQUEST__MESSAGE_END;
    request.end = &end;
    sender->ended = true;
    if (send_request(sender, &request, true))
        vmx_flow_recv(&sender->flow);
    else
        vmx_flow_cancel(&sender->flow);
}

static void
send_prepared(vmx_sender *sender)
{
    vmx_build *build = sender->build;
    sender->sending = true;
    sender->sent += sender->piece;
    atomic_fetch_add(&build->uploaded, sender->piece);
    atomic_fetch_add(&build->bytes_done, sender->piece);
    vmx_count(&build->parts.counters->uploaded_bytes, sender->piece);
    vmx_flow_send(&sender->flow, &sender->prepared, false);
    vmx_message_clear(&sender->prepared);
}

void
vmx_sender_pump(vmx_sender *sender)
{
    if (!sender->actor.active || sender->upload == NULL || vmx_build_halted(sender->build) || sender->chore.busy)
        return;
    if (!sender->streaming) {
        if (sender->ask.actor.active || sender->flow.phase != VMX_FLOW_IDLE)
            return; /* something else comes first */
        if (sender->at < sender->prefix)
            redigest(sender);
        else
            end_redigest(sender);
        return;
    }
    if (sender->flow.phase != VMX_FLOW_OPEN || sender->ended || sender->flow.cancelled)
        return;
    if (!sender->sending && sender->prepared.count > 0)
        send_prepared(sender);
    if (sender->prepared.count == 0 && sender->at < sender->size_bytes)
        prepare(sender);
    else if (!sender->sending && sender->sent == sender->size_bytes)
        send_end(sender);
}

static void
on_ready(vmx_flow *flow)
{
    send_header(VMX_OWNER(vmx_sender, flow, flow));
}

static void
on_sent(vmx_flow *flow)
{
    vmx_sender *sender = VMX_OWNER(vmx_sender, flow, flow);
    sender->sending = false;
    vmx_sender_pump(sender);
}

static void
on_message(vmx_flow *flow, vmx_message *message)
{
    vmx_sender *sender = VMX_OWNER(vmx_sender, flow, flow);
    vmx_arena arena = {0};
    const write_response *reply = vmx_unpack(&repository__write_part_response__descriptor, message, &arena, NULL);
    sender->answered = reply != NULL && reply->part != NULL && reply->part->complete;
    vmx_arena_reset(&arena);
    vmx_flow_recv(flow);
}

/* --- what came of it ----------------------------------------------------------------------------------------------- */

static void
on_status(vmx_ask *ask)
{
    vmx_sender *sender = VMX_OWNER(vmx_sender, ask, ask);
    if (vmx_build_halted(sender->build)) {
        end_if_quiet(sender);
        return;
    }
    if (ask->reply == NULL) {
        fail(sender, &ask->error);
        return;
    }
    uint64_t before = part_of(sender)->confirmed_bytes;
    const Repository__Upload *status = ask->reply;
    part_of(sender)->confirmed_bytes = 0;
    for (size_t i = 0; i < status->n_parts; i++) {
        const Repository__Part *part = status->parts[i];
        if (part->part_number != sender->part || part->digest.len != vmx_digest_bytes(sender->build->settings.digest))
            continue;
        part_of(sender)->confirmed_bytes = part->confirmed_bytes;
        memcpy(part_of(sender)->digest, part->digest.data, part->digest.len);
        sender->answered = part->complete && part->confirmed_bytes == sender->size_bytes;
    }
    if (part_of(sender)->confirmed_bytes > before)
        vmx_flow_moved(&sender->flow);
    if (sender->answered) {
        vmx_upload_part_done(sender->upload, sender->part);
        next_part(sender);
    } else {
        begin_part(sender);
    }
}

/* The pause before another attempt is over: what has the server confirmed? Perhaps all of it, which ends the part: so not
 * while a chunk of the stream that broke off is still being read. */
static void
on_resumed(vmx_flow *flow)
{
    vmx_sender *sender = VMX_OWNER(vmx_sender, flow, flow);
    Repository__GetUploadRequest request;
    if (vmx_build_halted(sender->build)) {
        end_if_quiet(sender);
        return;
    }
    if (sender->chore.busy)
        return; /* its end comes here again */
    repository__get_upload_request__init(&request);
    request.upload_id = sender->upload->id;
    vmx_ask_start(&sender->ask, sender->build, VMX_REPOSITORY_SERVICE "GetUpload", &request.base,
                  &repository__upload__descriptor, on_status);
}

/* Codes that say: the part's state here and there differ, or its bytes were spoilt on the way. */
static bool
may_restart(vmx_sender *sender)
{
    switch (sender->flow.reply.grpc_code) {
    case VMX_GRPC_DATA_LOSS:
    case VMX_GRPC_OUT_OF_RANGE:
    case VMX_GRPC_ABORTED:
    case VMX_GRPC_INTERNAL:
        return ++sender->restarts <= MAX_RESTARTS;
    case VMX_GRPC_OK: /* the stream ended well, and the part is not whole */
    case VMX_GRPC_CANCELLED:
    case VMX_GRPC_UNKNOWN:
        return true;
    default:
        return false;
    }
}

static void
retry(vmx_sender *sender)
{
    char what[96];
    vmx_error why;
    if (may_restart(sender))
        sender->flow.verdict = VMX_VERDICT_RETRIABLE;
    if (!vmx_flow_pause(&sender->flow)) {
        snprintf(what, sizeof what, "part %u of %.64s", sender->part, sender->upload->name);
        vmx_flow_failure(&sender->flow, what, &why);
        fail(sender, &why);
        return;
    }
    atomic_fetch_add(&sender->build->retries, 1);
    vmx_count(&sender->build->parts.counters->part_retries, 1);
    atomic_fetch_sub(&sender->build->bytes_done, sender->sent); /* what is confirmed is added again */
}

static void
on_ended(vmx_flow *flow)
{
    vmx_sender *sender = VMX_OWNER(vmx_sender, flow, flow);
    sender->streaming = false;
    if (vmx_build_halted(sender->build)) {
        end_if_quiet(sender);
        return;
    }
    if (sender->answered && flow->verdict == VMX_VERDICT_OK) {
        vmx_flow_moved(flow);
        vmx_upload_part_done(sender->upload, sender->part);
        next_part(sender);
    } else {
        retry(sender);
    }
}

/* --- parts --------------------------------------------------------------------------------------------------------- */

static void
begin_part(vmx_sender *sender)
{
    drop_buffer(sender);
    sender->answered = false;
    sender->prefix = part_of(sender)->confirmed_bytes;
    if (sender->prefix > sender->size_bytes || !restart_digest(sender))
        sender->prefix = 0;
    vmx_sender_pump(sender);
}

static void
next_part(vmx_sender *sender)
{
    drop_buffer(sender);
    sender->upload = vmx_upload_take(sender->build, &sender->part);
    if (sender->upload == NULL || vmx_build_halted(sender->build)) {
        sender->upload = NULL;
        end_if_quiet(sender);
        return;
    }
    uint64_t left = sender->upload->blob.size_bytes - sender->part * sender->upload->part_bytes;
    sender->offset = sender->part * sender->upload->part_bytes;
    sender->size_bytes = left < sender->upload->part_bytes ? left : sender->upload->part_bytes;
    sender->restarts = 0;
    begin_part(sender);
}

void
vmx_sender_start(vmx_sender *sender, vmx_build *build)
{
    static const vmx_flow_hooks hooks = {
        .ready = on_ready, .sent = on_sent, .message = on_message, .ended = on_ended, .resumed = on_resumed};
    sender->build = build;
    if (!sender->flow_begun) {
        vmx_call_settings settings = build->settings.call;
        settings.deadline_us = build->settings.deadline_us;
        vmx_flow_init(&sender->flow, build->parts.caller, &build->op, build->parts.loop, &settings,
                      build->settings.idle_timeout_ms, &hooks);
    }
    sender->flow_begun = true;
    vmx_actor_begin(build, &sender->actor, stop_sender);
    next_part(sender);
}

void
vmx_sender_clear(vmx_sender *sender)
{
    drop_buffer(sender);
    vmx_digest_free(&sender->digest);
    vmx_ask_clear(&sender->ask);
    if (sender->flow_begun)
        vmx_flow_clear(&sender->flow);
}
