/*
 * op/host_memory.h: a thread of the user's waits for room in a memory budget. What it waits for may need the client to be
 * driven.
 */
#ifndef VMX_OP_HOST_MEMORY_H
#define VMX_OP_HOST_MEMORY_H

#include "core/memory.h"
#include "op/host.h"

/* Waits in line for the bytes, which are the caller's to release; false when the time is over. Not inside a callback. */
bool
vmx_host_reserve(vmx_host *host, vmx_memory *memory, size_t bytes, uint64_t deadline_us);

#endif
