/*
 * build/await.h: the server's build: triggered (trigger.c) and waited for (await.c). On the op's strand.
 */
#ifndef VMX_BUILD_AWAIT_H
#define VMX_BUILD_AWAIT_H

#include "build/ask.h"
#include "rpc/flow.h"

typedef struct vmx_watch {
    vmx_actor actor;
    vmx_flow flow;
    bool flow_begun;
    bool ended; /* the build has */
    vmx_ask ask;
    vmx_timer timer;
    vmx_task timer_task;
    bool timed;
    uint32_t resubmits;
    uint64_t started_us;
    vmx_arena arena; /* of the message being looked at */
} vmx_watch;

void
vmx_trigger_begin(vmx_build *build);
/* The server's build failed for a reason that may pass: the same once more. */
void
vmx_trigger_again(vmx_build *build);
/* The job exists already: goes on with it, whatever its state. */
void
vmx_await_begin(vmx_build *build);

#endif
