/*
 * server/discard_reply.h: the replies of vecmuxd --discard.
 */
#ifndef VMXD_DISCARD_REPLY_H
#define VMXD_DISCARD_REPLY_H

#include <grpc/slice.h>

#include "server/discard.h"

typedef enum vmxd_discard_method {
    VMXD_DISCARD_QUERY,
    VMXD_DISCARD_UPSERT,
    VMXD_DISCARD_FETCH,
    VMXD_DISCARD_DELETE,
    VMXD_DISCARD_UPDATE,
    VMXD_DISCARD_STATS,
    VMXD_DISCARD_METHODS
} vmxd_discard_method;

/* "/VectorService/Query"; static. */
const char *
vmxd_discard_path(vmxd_discard_method method);

/* A packed reply of the size that the method's replies have: matches as the options say, one record for a fetch, nothing
 * for an upsert, whose reply is made of its request. To be given back with grpc_slice_unref. False when memory is out. */
bool
vmxd_discard_reply(vmxd_discard_method method, const vmxd_discard_options *options, grpc_slice *reply);

#endif
