/*
 * server/search.h: queries wait in one queue; each search thread takes the oldest and all that can be answered with it
 * by one FAISS call: same namespace, same filter, top_k of the same magnitude.
 */
#ifndef VMXD_SEARCH_H
#define VMXD_SEARCH_H

#include <pinecone/vector_service.pb-c.h>

#include "server/call.h"
#include "server/filter.h"
#include "server/namespace.h"

#define VMXD_SEARCH_BATCH 64

/* A checked query, in its call's arena. */
typedef struct vmxd_query vmxd_query;
struct vmxd_query {
    vmxd_query *next;
    vmxd_call *call;
    vmxd_namespace *ns;
    const Pinecone__QueryRequest *request;
    const vmxd_filter *filter; /* NULL: all records */
    vmx_str filter_key;        /* the packed filter; equal keys select the same records */

    /* What is searched for; of a query by id only known when the namespace is locked. */
    vmx_floats dense;  /* len 0: none */
    vmx_sparse sparse; /* rising indices; len 0: none */
};

typedef struct vmxd_search vmxd_search;

/* NULL when threads or memory are out. */
vmxd_search *
vmxd_search_start(unsigned threads);

/* The query's call will be answered by a search thread. */
void
vmxd_search_submit(vmxd_search *search, vmxd_query *query);

/* Answers what waits and ends the threads. */
void
vmxd_search_stop(vmxd_search *search);

#endif
