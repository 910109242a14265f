/*
 * server/handlers.h: one handler per RPC. `request` is the unpacked message of the method, in the call's arena; each
 * answers its call, all but Query, CompleteUpload and the streams before they return.
 */
#ifndef VMXD_HANDLERS_H
#define VMXD_HANDLERS_H

#include "server/service.h"

typedef void
vmxd_handler(vmxd_service *service, vmxd_call *call, ProtobufCMessage *request);

vmxd_handler vmxd_handle_upsert;
vmxd_handler vmxd_handle_query;
vmxd_handler vmxd_handle_fetch;
vmxd_handler vmxd_handle_fetch_by_metadata;
vmxd_handler vmxd_handle_list;
vmxd_handler vmxd_handle_update;
vmxd_handler vmxd_handle_delete;
vmxd_handler vmxd_handle_describe_index_stats;
vmxd_handler vmxd_handle_create_namespace;
vmxd_handler vmxd_handle_list_namespaces;
vmxd_handler vmxd_handle_describe_namespace;
vmxd_handler vmxd_handle_delete_namespace;

vmxd_handler vmxd_handle_begin_upload;
vmxd_handler vmxd_handle_write_part; /* a stream of requests */
vmxd_handler vmxd_handle_get_upload;
vmxd_handler vmxd_handle_complete_upload;
vmxd_handler vmxd_handle_abort_upload;
vmxd_handler vmxd_handle_read_range; /* a stream of replies */
vmxd_handler vmxd_handle_stat_blob;
vmxd_handler vmxd_handle_delete_blob;
vmxd_handler vmxd_handle_list_blobs;
vmxd_handler vmxd_handle_describe_repository;

vmxd_handler vmxd_handle_trigger_build;
vmxd_handler vmxd_handle_get_build;
vmxd_handler vmxd_handle_watch_build; /* a stream of replies */
vmxd_handler vmxd_handle_cancel_build;
vmxd_handler vmxd_handle_list_builds;
vmxd_handler vmxd_handle_describe_builder;

#endif
