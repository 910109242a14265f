/*
 * vecmux/engine.h: what the engines can do. docs/engines.md is printed from here.
 */
#ifndef VECMUX_ENGINE_H
#define VECMUX_ENGINE_H

#include <vecmux/client.h>
#include <vecmux/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Operations of vecmux/index.h and parts of them. The numbers are frozen; new ones are appended. */
typedef enum vmx_capability {
    /* operations */
    VMX_CAN_UPSERT = 0,
    VMX_CAN_QUERY = 1,
    VMX_CAN_BATCH_QUERY = 2,
    VMX_CAN_FETCH = 3,
    VMX_CAN_LIST = 4,
    VMX_CAN_UPDATE = 5,
    VMX_CAN_DELETE = 6,
    VMX_CAN_COUNT = 7,
    VMX_CAN_STATS = 8,
    VMX_CAN_WAIT_VISIBLE = 9,
    VMX_CAN_FLUSH = 10,
    VMX_CAN_WRITER = 11,
    VMX_CAN_ENSURE = 12,
    VMX_CAN_DESCRIBE = 13,
    VMX_CAN_DROP = 14,
    VMX_CAN_LIST_INDEXES = 15,
    VMX_CAN_BUILD = 16,
    VMX_CAN_CREATE_NAMESPACE = 17,
    VMX_CAN_DESCRIBE_NAMESPACE = 18,
    VMX_CAN_DELETE_NAMESPACE = 19,
    VMX_CAN_LIST_NAMESPACES = 20,

    /* parts of operations */
    VMX_CAN_NAMESPACES = 21,       /* a handle with a namespace */
    VMX_CAN_SPARSE = 22,           /* sparse parts of records and queries */
    VMX_CAN_HYBRID = 23,           /* a query by dense and sparse values together */
    VMX_CAN_QUERY_BY_ID = 24,      /* vmx_query.id */
    VMX_CAN_SEARCH_EF = 25,        /* vmx_query.ef */
    VMX_CAN_SEARCH_EXACT = 26,     /* vmx_query.exact */
    VMX_CAN_SCAN_FACTOR = 27,      /* vmx_query.scan_factor and max_candidates */
    VMX_CAN_FETCH_BY_FILTER = 28,  /* vmx_fetch.filter */
    VMX_CAN_LIST_PREFIX = 29,      /* vmx_list.prefix */
    VMX_CAN_UPDATE_VALUES = 30,    /* vmx_update.values and sparse */
    VMX_CAN_UPDATE_BY_FILTER = 31, /* vmx_update.filter */
    VMX_CAN_UPDATE_DRY_RUN = 32,   /* vmx_update.dry_run */
    VMX_CAN_DELETE_BY_FILTER = 33, /* vmx_delete.filter */
    VMX_CAN_DELETE_ALL = 34        /* vmx_delete.all */
} vmx_capability;

#define VMX_CAPABILITY_COUNT 35

/* Whether the client's engine can do it. What it cannot fails with VMX_ERR_UNSUPPORTED before anything is sent. */
VMX_API bool
vmx_client_supports(const vmx_client *client, vmx_capability capability);

/* "batch query"; NULL for numbers that are none. Static. */
VMX_API const char *
vmx_capability_name(vmx_capability capability);

/* What it is, in one line; NULL likewise. Static. */
VMX_API const char *
vmx_capability_help(vmx_capability capability);

/* The name of engine `i`, as the property `engine` takes it; NULL behind the last. Static. */
VMX_API const char *
vmx_engine_name(size_t i);

/* Whether engine `i` can do it, whatever the client. */
VMX_API bool
vmx_engine_supports(size_t i, vmx_capability capability);

/* What there is to know of engine `i`, as Markdown: names, ids, options; "" behind the last. Static. */
VMX_API const char *
vmx_engine_manual(size_t i);

/* A remark on it, where yes and no do not say all; "" for none. Static. */
VMX_API const char *
vmx_engine_note(size_t i, vmx_capability capability);

#ifdef __cplusplus
}
#endif

#endif /* VECMUX_ENGINE_H */
