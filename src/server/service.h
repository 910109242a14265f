/*
 * server/service.h: VectorService, VectorRepository and IndexBuild: from a call's bytes to its handler.
 */
#ifndef VMXD_SERVICE_H
#define VMXD_SERVICE_H

#include "core/worker.h"
#include "server/build/builds.h"
#include "server/call.h"
#include "server/journal.h"
#include "server/repository/repository.h"
#include "server/search.h"
#include "server/store.h"

#define VMXD_HEADER_REQUEST_LSN "x-pinecone-request-lsn"
#define VMXD_HEADER_INDEXED_LSN "x-pinecone-max-indexed-lsn"

typedef struct vmxd_service {
    const char *api_key; /* NULL: any */
    vmxd_store *store;
    vmxd_search *search;
    vmxd_journal *journal; /* NULL: nothing is kept */
    vmxd_repository *repository;
    vmxd_builds *builds;
    vmx_workers *workers; /* for what waits for the disk */
} vmxd_service;

/* Answers a call of any method; `service` is a vmxd_service. For vmxd_server_options. */
void
vmxd_service_handle(void *service, vmxd_call *call);

#endif
