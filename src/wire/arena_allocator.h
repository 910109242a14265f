/*
 * wire/arena_allocator.h: lets protobuf-c unpack into an arena; nothing is freed one by one.
 */
#ifndef VMX_WIRE_ARENA_ALLOCATOR_H
#define VMX_WIRE_ARENA_ALLOCATOR_H

#include <protobuf-c/protobuf-c.h>

#include "core/arena.h"

/* The allocator borrows `arena` and must not outlive it. */
ProtobufCAllocator
vmx_arena_allocator(vmx_arena *arena);

#endif
