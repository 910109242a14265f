#include "engine/exchange.h"

#include <string.h>

#include "core/error.h"
#include "wire/arena_allocator.h"
#include "wire/guard.h"

vmx_status
vmx_exchange_call(vmx_machine *machine, const char *method, const ProtobufCMessage *message, bool writes,
                  bool idempotent, vmx_step *step)
{
    uint8_t *data;
    size_t len = protobuf_c_message_get_packed_size(message);
    vmx_block *block = vmx_block_reuse(&machine->spare, len, &data);
    if (block == NULL)
        return vmx_error_no_memory(machine->error);
    protobuf_c_message_pack(message, data);
    step->kind = VMX_STEP_CALL;
    step->request.method = method;
    step->request.writes = writes;
    step->request.idempotent = idempotent;
    step->request.judge = NULL;
    vmx_message_init_one(&step->request.message, block, data, len);
    return VMX_OK;
}

char *
vmx_exchange_text(vmx_arena *scratch, vmx_str text)
{
    return (char *)(uintptr_t)vmx_arena_str(scratch, text).ptr;
}

static void
copy_slices(const vmx_message *message, uint8_t *to)
{
    for (size_t i = 0; i < message->count; i++) {
        memcpy(to, message->slices[i].data, message->slices[i].len);
        to += message->slices[i].len;
    }
}

vmx_str
vmx_exchange_flatten(vmx_arena *arena, const vmx_message *message)
{
    if (message->count == 1)
        return (vmx_str){(const char *)message->slices[0].data, message->size_bytes};
    uint8_t *bytes = vmx_arena_alloc(arena, message->size_bytes);
    if (bytes != NULL)
        copy_slices(message, bytes);
    return (vmx_str){(const char *)bytes, message->size_bytes};
}

vmx_status
vmx_exchange_refuse_large(vmx_machine *machine, size_t reply_bytes, size_t needed_bytes)
{
    return vmx_error_set(machine->error, VMX_ERR_TOO_LARGE,
                         "the server's reply of %zu bytes needs %zu bytes unpacked; at most %zu are allowed (16 times "
                         "receive.limit.bytes)",
                         reply_bytes, needed_bytes, machine->engine->limits.reply_bytes);
}

/* What comes from outside passes the guard; what it would become in memory has a bound. */
static vmx_status
check_reply(vmx_machine *machine, const ProtobufCMessageDescriptor *descriptor, vmx_str bytes)
{
    vmx_error why;
    size_t unpacked_bytes;
    if (vmx_guard_check(descriptor, (const uint8_t *)bytes.ptr, bytes.len, &unpacked_bytes, &why) != VMX_OK)
        return vmx_error_set(machine->error, VMX_ERR_PROTOCOL,
                             "the server's reply is not a valid %s: %s; is it a %s server?", descriptor->name,
                             why.message, machine->engine->vtable->name);
    bool fits = unpacked_bytes <= machine->engine->limits.reply_bytes;
    return fits ? VMX_OK : vmx_exchange_refuse_large(machine, bytes.len, unpacked_bytes);
}

void
vmx_exchange_explain(vmx_machine *machine, const vmx_message *message, const ProtobufCMessageDescriptor *descriptor)
{
    vmx_str bytes = vmx_exchange_flatten(machine->arena, message);
    if (bytes.ptr == NULL)
        vmx_error_no_memory(machine->error);
    else if (check_reply(machine, descriptor, bytes) == VMX_OK)
        vmx_error_set(machine->error, VMX_ERR_PROTOCOL, "the server's reply is not a valid %s", descriptor->name);
}

void *
vmx_exchange_unpack(vmx_machine *machine, const vmx_message *message, const ProtobufCMessageDescriptor *descriptor,
                    vmx_step *next)
{
    vmx_str bytes = vmx_exchange_flatten(machine->arena, message);
    if (bytes.ptr == NULL) {
        vmx_exchange_no_memory(machine, next);
        return NULL;
    }
    next->kind = VMX_STEP_DONE;
    if (check_reply(machine, descriptor, bytes) != VMX_OK)
        return NULL;
    ProtobufCAllocator allocator = vmx_arena_allocator(machine->arena);
    void *unpacked = protobuf_c_message_unpack(descriptor, &allocator, bytes.len, (const uint8_t *)bytes.ptr);
    if (unpacked == NULL)
        vmx_exchange_no_memory(machine, next);
    return unpacked;
}

void
vmx_exchange_done(vmx_machine *machine, vmx_step *next)
{
    (void)machine; /* its error says VMX_OK since the call succeeded */
    next->kind = VMX_STEP_DONE;
}

void
vmx_exchange_no_memory(vmx_machine *machine, vmx_step *next)
{
    vmx_error_no_memory(machine->error);
    next->kind = VMX_STEP_DONE;
}
