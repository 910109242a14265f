/*
 * api/run_store.h: runs that have served, with their memory, for the operations to come: so that an operation in the
 * steady state allocates nothing. Thread safe.
 */
#ifndef VMX_API_RUN_STORE_H
#define VMX_API_RUN_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/lock.h"

typedef struct vmx_run vmx_run;

typedef struct vmx_run_store {
    vmx_lock lock;
    struct {
        vmx_run *idle; /* the latest first: its memory is still in the cache */
        size_t count;
        bool closed;
    } locked;
} vmx_run_store;

void
vmx_run_store_init(vmx_run_store *store);

/* A run that holds nothing but memory: zeroed, or as vmx_run_store_give got it. NULL when memory is out. */
vmx_run *
vmx_run_store_take(vmx_run_store *store);

/* Keeps a run that holds nothing but memory; frees it when there are enough of them, or after close. */
void
vmx_run_store_give(vmx_run_store *store, vmx_run *run);

/* Frees what is kept, and keeps nothing from now on. May be repeated. */
void
vmx_run_store_close(vmx_run_store *store);

void
vmx_run_store_destroy(vmx_run_store *store);

#endif
