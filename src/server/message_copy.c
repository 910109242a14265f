#include "server/message_copy.h"

#include "core/alloc.h"
#include "wire/arena_allocator.h"

void *
vmxd_copy_message(const ProtobufCMessage *message, vmx_arena *arena)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *packed = vmx_alloc(len);
    if (!packed)
        return NULL;
    protobuf_c_message_pack(message, packed);
    ProtobufCAllocator allocator = arena ? vmx_arena_allocator(arena) : (ProtobufCAllocator){0};
    void *copy = protobuf_c_message_unpack(message->descriptor, arena ? &allocator : NULL, len, packed);
    vmx_dealloc(packed);
    return copy;
}
