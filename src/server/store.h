/*
 * server/store.h: the index: its configuration and its namespaces. In memory.
 */
#ifndef VMXD_STORE_H
#define VMXD_STORE_H

#include <stdint.h>

#include "server/namespace.h"
#include "server/status.h"

typedef enum vmxd_metric {
    VMXD_COSINE,
    VMXD_EUCLIDEAN, /* squared distance; lower is closer */
    VMXD_DOTPRODUCT
} vmxd_metric;

/* "cosine", "euclidean", "dotproduct" */
const char *
vmxd_metric_name(vmxd_metric metric);

typedef struct vmxd_store_options {
    uint32_t dimension;      /* 0: the first upsert fixes it; sparse: unused */
    vmxd_metric metric;      /* sparse: always dotproduct */
    bool sparse;             /* vector type: records have a sparse part only */
    uint64_t index_delay_us; /* how long a write stays invisible */
} vmxd_store_options;

typedef struct vmxd_store vmxd_store;

/* NULL when memory is out. */
vmxd_store *
vmxd_store_new(const vmxd_store_options *options);
void
vmxd_store_free(vmxd_store *store);

const vmxd_store_options *
vmxd_store_config(const vmxd_store *store);

/* 0 while nothing has fixed it. */
uint32_t
vmxd_store_dimension(const vmxd_store *store);

/* Fixes the dimension if it is not; false if it is another one, which is then in `*fixed`. */
bool
vmxd_store_fix_dimension(vmxd_store *store, uint32_t dimension, uint32_t *fixed);

/*
 * The namespace named `name` ("" is "__default__"), or NULL if none was ever made. A namespace lives as long as the
 * store, so that its LSNs go on when it is deleted and made again: look at `exists` under its lock.
 */
vmxd_namespace *
vmxd_store_find(vmxd_store *store, const char *name);

/* The same, made if needed; NULL when memory is out. Its `exists` is left as it is. */
vmxd_namespace *
vmxd_store_open(vmxd_store *store, const char *name);

/* All namespaces that were ever made, in bytewise order of their names, as an array in `arena`. False when memory is
 * out. */
bool
vmxd_store_all(vmxd_store *store, vmx_arena *arena, vmxd_namespace ***namespaces, size_t *count);

#endif
