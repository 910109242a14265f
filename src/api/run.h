/*
 * api/run.h: one operation as it runs: the op the user holds, the engine's machine, and the call it makes now.
 */
#ifndef VMX_API_RUN_H
#define VMX_API_RUN_H

#include "api/client.h"
#include "engine/engine.h"
#include "op/op.h"
#include "rpc/call.h"

typedef struct vmx_run {
    vmx_op op;            /* first */
    struct vmx_run *next; /* in a vmx_run_store */
    vmx_client *client;
    vmx_machine machine;
    vmx_step step; /* the next to take */
    vmx_result result;
    vmx_call call;
    size_t reply_bytes; /* of the client's budget of replies */
    vmx_loop *loop;
    vmx_timer timer;  /* of a WAIT step */
    bool waiting;     /* the timer is armed, or its task is on its way */
    bool has_written; /* one of its calls has succeeded that changes the index */
    bool ended;       /* inside its own start: the timer's task completes it */
    vmx_task start_task, timer_task;
} vmx_run;

/*
 * Makes an operation named `name` (static) on a namespace, not running yet. Checks and copies the call's options.
 * Errors: VMX_ERR_INVALID, VMX_ERR_CLOSED, VMX_ERR_FORKED, VMX_ERR_NO_MEMORY.
 */
vmx_status
vmx_run_new(vmx_client *client, const char *name, vmx_str name_space, const vmx_call_options *options, vmx_run **run,
            vmx_error *error);

/* The vectors' values are lent if the options say so. On failure (VMX_ERR_NO_MEMORY) the run is freed. */
vmx_status
vmx_run_borrow(vmx_run *run, const vmx_call_options *options, vmx_error *error);

/*
 * Ends a start: `begun` is what the engine's begin function returned. Starts the operation and gives its handle to the
 * user; or, on failure, hands the machine's error to the user and frees the run.
 */
vmx_status
vmx_run_launch(vmx_run *run, vmx_status begun, vmx_op **op, vmx_error *error);

#endif
