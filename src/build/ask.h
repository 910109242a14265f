/*
 * build/ask.h: one unary call of a build, an actor; with the retries of every call (rpc/call.h).
 *
 * On the op's strand. The reply lives until the ask is used again or cleared.
 */
#ifndef VMX_BUILD_ASK_H
#define VMX_BUILD_ASK_H

#include <protobuf-c/protobuf-c.h>

#include "build/actor.h"
#include "core/arena.h"
#include "rpc/call.h"

#define VMX_REPOSITORY_SERVICE "/vecmux.repository.v1.VectorRepository/"
#define VMX_BUILD_SERVICE      "/vecmux.build.v1.IndexBuild/"

typedef struct vmx_ask {
    vmx_actor actor;
    vmx_build *build;
    vmx_call call;
    bool begun; /* `call` has been set up */
    vmx_error error;
    const ProtobufCMessageDescriptor *descriptor; /* of the reply */
    void *reply;                                  /* in `arena`; NULL after a failure */
    vmx_arena arena;
    void (*answered)(struct vmx_ask *ask);
} vmx_ask;

/* Calls `method` (static); `answered` follows, never inside. Without memory the build fails. */
void
vmx_ask_start(vmx_ask *ask, vmx_build *build, const char *method, const ProtobufCMessage *request,
              const ProtobufCMessageDescriptor *reply, void (*answered)(vmx_ask *ask));
void
vmx_ask_clear(vmx_ask *ask);

/* A message in one block of memory; false when memory is out. */
bool
vmx_pack(const ProtobufCMessage *from, vmx_message *message);

/* The other way, through the guard, into `arena`; NULL on failure. */
void *
vmx_unpack(const ProtobufCMessageDescriptor *descriptor, const vmx_message *message, vmx_arena *arena,
           vmx_error *error);

#endif
