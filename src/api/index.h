/*
 * api/index.h: the index, inside.
 */
#ifndef VMX_API_INDEX_H
#define VMX_API_INDEX_H

#include "api/client.h"
#include "api/run.h"

struct vmx_index {
    vmx_client *client; /* holds a reference */
    char *collection;
    char *name_space;
};

/*
 * Begins an operation on the index: what the engine cannot do is refused. Errors: VMX_ERR_UNSUPPORTED, and those of
 * vmx_run_new.
 */
vmx_status
vmx_index_begin(vmx_index *index, vmx_capability capability, const vmx_call_options *options, vmx_op **op,
                vmx_run **run, vmx_error *error);

#endif
