/*
 * api/index.h: the index, inside.
 */
#ifndef VMX_API_INDEX_H
#define VMX_API_INDEX_H

#include "api/client.h"

struct vmx_index {
    vmx_client *client; /* holds a reference */
    char *name_space;
};

#endif
