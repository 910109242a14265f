/*
 * server/repository/part_message.h: the messages of WritePart behind the header, without a copy of their data.
 */
#ifndef VMXD_REPOSITORY_PART_MESSAGE_H
#define VMXD_REPOSITORY_PART_MESSAGE_H

#include <vecmux/repository.pb-c.h>

#include "core/arena.h"
#include "server/status.h"

/* Points into the message, or into the arena. */
typedef struct vmxd_part_message {
    bool is_end;
    vmx_str data; /* of a chunk */
    bool has_crc32c;
    uint32_t crc32c;
    ProtobufCBinaryData digest; /* of an end */
} vmxd_part_message;

/* A packed vecmux.repository.v1.WritePartRequest; INVALID_ARGUMENT if it is none, or neither a chunk nor an end. */
bool
vmxd_part_message_read(vmx_str bytes, vmx_arena *arena, vmxd_part_message *message, vmxd_status *status);

#endif
