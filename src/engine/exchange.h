/*
 * engine/exchange.h: a machine's requests and replies as protobuf messages, whatever the engine.
 */
#ifndef VMX_ENGINE_EXCHANGE_H
#define VMX_ENGINE_EXCHANGE_H

#include <protobuf-c/protobuf-c.h>

#include "engine/engine.h"

/*
 * Packs `message` into the step's request, which has no judge. Errors: VMX_ERR_NO_MEMORY.
 */
vmx_status
vmx_exchange_call(vmx_machine *machine, const char *method, const ProtobufCMessage *message, bool writes,
                  bool idempotent, vmx_step *step);

/* The message's bytes in one piece, in the arena when they came in several; ptr is NULL when memory is out. */
vmx_str
vmx_exchange_flatten(vmx_arena *arena, const vmx_message *message);

/*
 * Checks and unpacks a reply into the op's arena. NULL: machine->error says why and the step is DONE.
 */
void *
vmx_exchange_unpack(vmx_machine *machine, const vmx_message *message, const ProtobufCMessageDescriptor *descriptor,
                    vmx_step *next);

/* Says in machine->error what is wrong with a reply that a decoder refused, by the guard. */
void
vmx_exchange_explain(vmx_machine *machine, const vmx_message *message, const ProtobufCMessageDescriptor *descriptor);

/* Says in machine->error that a reply would need more memory than it may. */
vmx_status
vmx_exchange_refuse_large(vmx_machine *machine, size_t reply_bytes, size_t needed_bytes);

/* The operation has ended; machine->error says how: VMX_OK since the last call succeeded, or why not. */
void
vmx_exchange_done(vmx_machine *machine, vmx_step *next);

/* Ends the operation for want of memory. */
void
vmx_exchange_no_memory(vmx_machine *machine, vmx_step *next);

/* A NUL-terminated copy in `scratch`, as protobuf-c wants strings; NULL when memory is out. */
char *
vmx_exchange_text(vmx_arena *scratch, vmx_str text);

#endif
