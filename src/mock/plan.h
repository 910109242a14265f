/*
 * mock/plan.h: an answer that somebody gave, checked and copied; and the scripts that hold them.
 */
#ifndef VMX_MOCK_PLAN_H
#define VMX_MOCK_PLAN_H

#include <vecmux/mock.h>

#include "core/arena.h"
#include "mock/log.h"

/* Shared by a script and the calls that are being answered by it; the server's lock guards the count. */
typedef struct vmx_mock_plan {
    vmx_mock_answer answer; /* its texts are in the arena */
    vmx_str body;           /* its messages as they go out, likewise; empty for echo and for failures */
    vmx_arena arena;
    unsigned refs;
} vmx_mock_plan;

/* A copy with one reference. VMX_ERR_INVALID names the field that makes no sense; VMX_ERR_NO_MEMORY. */
vmx_status
vmx_mock_plan_new(const vmx_mock_answer *answer, vmx_mock_plan **plan, vmx_error *error);

void
vmx_mock_plan_unref(vmx_mock_plan *plan);

/* A method's answers. */
typedef struct vmx_mock_script_entry {
    struct vmx_mock_script_entry *next;
    vmx_mock_plan *plan;
    uint32_t left; /* calls that it still serves */
} vmx_mock_script_entry;

typedef struct vmx_mock_script_method {
    struct vmx_mock_script_method *next;
    char *name;
    vmx_mock_script_entry *first, **last;
    vmx_mock_plan *fallback; /* NULL: none */
} vmx_mock_script_method;

/* Zeroed memory is an empty set. Guarded by the server's lock. */
typedef struct vmx_mock_scripts {
    vmx_mock_script_method *methods;
} vmx_mock_scripts;

/* Takes the plans' references over, also when it fails (false: memory is out). */
bool
vmx_mock_scripts_append(vmx_mock_scripts *scripts, vmx_str method, vmx_mock_plan **plans, size_t count);

/* Takes the plan's reference over; NULL removes. False when memory is out. */
bool
vmx_mock_scripts_set_default(vmx_mock_scripts *scripts, vmx_str method, vmx_mock_plan *plan);

/* The plan for a call of `method`, with a reference for the caller; NULL: there is none. */
vmx_mock_plan *
vmx_mock_scripts_take(vmx_mock_scripts *scripts, vmx_str method);

void
vmx_mock_scripts_clear(vmx_mock_scripts *scripts);

#endif
