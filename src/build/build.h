/*
 * build/build.h: remote index builds, as the API starts them. What happens then: internal.h.
 */
#ifndef VMX_BUILD_BUILD_H
#define VMX_BUILD_BUILD_H

#include <vecmux/build.h>

#include "build/counters.h"
#include "core/config.h"
#include "core/memory.h"
#include "core/worker.h"
#include "op/op.h"
#include "rpc/call.h"

/* What a build needs of the client that it belongs to. */
typedef struct vmx_build_parts {
    vmx_host *host;
    vmx_caller *caller;
    vmx_memory *memory;
    vmx_workers *workers;
    const vmx_config *config;
    vmx_build_counters *counters;
    vmx_loop *loop;
} vmx_build_parts;

typedef struct vmx_build vmx_build;

/* Makes an operation named `name` (static) that is not running yet. NULL when memory is out. */
vmx_build *
vmx_build_new(const vmx_build_parts *parts, const char *name, vmx_queue *queue, void *user);

bool
vmx_build_is_op(const vmx_op *op);

/* Its op; request metadata is made in the op's arena. */
vmx_op *
vmx_build_op(vmx_build *build);

/* What it is to do; one of these, then launch. `settings` are those of a single call. Errors: those of the public
 * functions. `total_timeout_ms` is for all phases together; 0: the property. */
vmx_status
vmx_build_prepare(vmx_build *build, vmx_source *source, const vmx_build_spec *spec, const vmx_call_settings *settings,
                  int64_t total_timeout_ms, vmx_error *error);
vmx_status
vmx_build_prepare_in_place(vmx_build *build, vmx_str name_space, const vmx_build_spec *spec,
                           const vmx_call_settings *settings, int64_t total_timeout_ms, vmx_error *error);
vmx_status
vmx_build_prepare_describe(vmx_build *build, vmx_str id, const vmx_call_settings *settings, vmx_error *error);
vmx_status
vmx_build_prepare_cancel(vmx_build *build, vmx_str id, const vmx_call_settings *settings, vmx_error *error);
vmx_status
vmx_build_prepare_list(vmx_build *build, const vmx_build_list *list, const vmx_call_settings *settings,
                       vmx_error *error);

/* Starts it and gives its handle to the user, or, if `prepared` is a failure, frees it and returns that. */
vmx_status
vmx_build_launch(vmx_build *build, vmx_status prepared, vmx_op **op, vmx_error *error);

#endif
