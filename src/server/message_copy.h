/*
 * server/message_copy.h: copies of protobuf-c messages, by packing and unpacking.
 */
#ifndef VMXD_MESSAGE_COPY_H
#define VMXD_MESSAGE_COPY_H

#include <protobuf-c/protobuf-c.h>

#include "core/arena.h"

/* In `arena`, or, NULL, for protobuf_c_message_free_unpacked. NULL when memory is out. */
void *
vmxd_copy_message(const ProtobufCMessage *message, vmx_arena *arena);

#endif
