/* Unary calls of a build: packed, made, unpacked. */
#include <string.h>

#include "build/internal.h"
#include "core/alloc.h"
#include "core/error.h"
#include "core/sync.h"
#include "wire/arena_allocator.h"
#include "wire/guard.h"

/* What a reply may become when it is unpacked: 10,000 parts with their digests are about 2 MiB. */
#define REPLY_MAX_BYTES (64u << 20)

bool
vmx_pack(const ProtobufCMessage *from, vmx_message *message)
{
    uint8_t *data;
    size_t len = protobuf_c_message_get_packed_size(from);
    vmx_block *block = vmx_block_new(len, &data);
    if (block == NULL)
        return false;
    protobuf_c_message_pack(from, data);
    vmx_message_init_one(message, block, data, len);
    return true;
}

/* The bytes in one piece; ptr is NULL when memory is out. */
static vmx_str
flatten(const vmx_message *message, vmx_arena *arena)
{
    if (message->count == 1)
        return (vmx_str){(const char *)message->slices[0].data, message->size_bytes};
    char *bytes = vmx_arena_alloc(arena, message->size_bytes);
    size_t at = 0;
    for (size_t i = 0; bytes != NULL && i < message->count; i++) {
        memcpy(bytes + at, message->slices[i].data, message->slices[i].len);
        at += message->slices[i].len;
    }
    return (vmx_str){bytes, message->size_bytes};
}

void *
vmx_unpack(const ProtobufCMessageDescriptor *descriptor, const vmx_message *message, vmx_arena *arena, vmx_error *error)
{
    vmx_error why;
    size_t unpacked_bytes;
    vmx_str bytes = flatten(message, arena);
    if (bytes.ptr == NULL) {
        vmx_error_no_memory(error);
        return NULL;
    }
    bool sound = vmx_guard_check(descriptor, (const uint8_t *)bytes.ptr, bytes.len, &unpacked_bytes, &why) == VMX_OK;
    if (!sound || unpacked_bytes > REPLY_MAX_BYTES) {
        vmx_error_set(error, VMX_ERR_PROTOCOL, "the server's reply is not a valid %s: %s", descriptor->name,
                      sound ? "it is too large" : why.message);
        return NULL;
    }
    ProtobufCAllocator allocator = vmx_arena_allocator(arena);
    void *unpacked = protobuf_c_message_unpack(descriptor, &allocator, bytes.len, (const uint8_t *)bytes.ptr);
    if (unpacked == NULL)
        vmx_error_no_memory(error);
    return unpacked;
}

static void
on_call_done(vmx_call *call)
{
    vmx_ask *ask = VMX_OWNER(vmx_ask, call, call);
    ask->reply = NULL;
    if (ask->error.code == VMX_OK)
        ask->reply = vmx_unpack(ask->descriptor, &call->last->message, &ask->arena, &ask->error);
    vmx_actor_end(ask->build, &ask->actor);
    ask->answered(ask);
}

static void
stop_ask(vmx_actor *actor)
{
    vmx_call_cancel(&VMX_OWNER(vmx_ask, actor, actor)->call);
}

static void
begin_call(vmx_ask *ask)
{
    vmx_build *build = ask->build;
    if (!ask->begun)
        vmx_call_init(&ask->call, build->parts.caller, &build->op, build->parts.loop, &build->settings.call,
                      &ask->error, on_call_done);
    ask->begun = true;
    uint64_t deadline_us = vmx_deadline_us(vmx_build_now(build), build->settings.call.timeout_ms);
    bool winding = build->stage == VMX_STAGE_WINDING;
    ask->call.settings.deadline_us =
        deadline_us < build->settings.deadline_us || winding ? deadline_us : build->settings.deadline_us;
}

/* Out of memory: the end of the build, or, at its end, of this call only. */
static void
refuse(vmx_ask *ask)
{
    ask->reply = NULL;
    vmx_error_no_memory(&ask->error);
    if (ask->build->stage == VMX_STAGE_WINDING)
        ask->answered(ask);
    else
        vmx_build_fail(ask->build, &ask->error);
}

void
vmx_ask_start(vmx_ask *ask, vmx_build *build, const char *method, const ProtobufCMessage *request,
              const ProtobufCMessageDescriptor *reply, void (*answered)(vmx_ask *ask))
{
    vmx_request call = {.method = method, .writes = true, .idempotent = true};
    ask->build = build;
    ask->descriptor = reply;
    ask->answered = answered;
    if (!vmx_pack(request, &call.message)) {
        refuse(ask);
        return;
    }
    vmx_arena_reset(&ask->arena);
    vmx_error_clear(&ask->error);
    begin_call(ask);
    vmx_actor_begin(build, &ask->actor, stop_ask);
    vmx_call_start(&ask->call, &call);
}

void
vmx_ask_clear(vmx_ask *ask)
{
    if (ask->begun)
        vmx_call_destroy(&ask->call);
    vmx_arena_reset(&ask->arena);
}
