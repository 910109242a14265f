/*
 * engine/milvus/flush.h: Flush, and waiting until the segments are in the server's storage; for flush and build.
 */
#ifndef VMX_ENGINE_MILVUS_FLUSH_H
#define VMX_ENGINE_MILVUS_FLUSH_H

#include "engine/milvus/milvus.h"

/* What goes on when all is flushed, with its own state. */
typedef void (*vmx_milvus_then)(vmx_machine *machine, void *state, vmx_step *step);

/* Takes machine->state over. Errors: VMX_ERR_NO_MEMORY. */
vmx_status
vmx_milvus_flush_then(vmx_machine *machine, vmx_milvus_then then, void *then_state, vmx_step *first);

#endif
