/*
 * Triggering a build: what is asked of the server, with the deadline and the lease that end it when nobody waits any
 * more. The key makes a repeated request the same build.
 */
#include <stdio.h>

#include "build/internal.h"

typedef Build__TriggerBuildRequest trigger_request;

static void
on_triggered(vmx_ask *ask)
{
    vmx_build *build = ask->build;
    const vmx_pb_build *job = ask->reply;
    if (job != NULL)
        snprintf(build->build_id, sizeof build->build_id, "%s", job->build_id);
    if (vmx_build_halted(build))
        return;
    if (job == NULL) {
        vmx_build_fail(build, &ask->error);
        return;
    }
    vmx_count(&build->parts.counters->triggers.success, 1);
    vmx_count(&build->parts.counters->triggers.duration_us,
              vmx_build_now(build) - atomic_load(&build->phase_started_us));
    vmx_await_begin(build);
}

static uint64_t
time_left_ms(const vmx_build *build)
{
    uint64_t now_us = vmx_build_now(build), deadline_us = build->settings.deadline_us;
    if (deadline_us == VMX_NEVER)
        return 0;
    return deadline_us > now_us + 1000 ? (deadline_us - now_us) / 1000 : 1;
}

static void
describe_blobs(vmx_build *build, trigger_request *request)
{
    const vmx_build_spec *spec = &build->settings.spec;
    bool half = spec->data_type == VMX_DATA_FLOAT16, l2 = spec->space == VMX_SPACE_L2;
    request->vector_blob = build->settings.vector_blob;
    if (build->ids.wanted)
        request->doc_id_blob = build->settings.doc_id_blob;
    request->result_blob = build->settings.result_blob;
    request->dimension = vmx_source_dimension(build->source);
    request->doc_count = vmx_source_count(build->source);
    request->data_type = half ? BUILD__DATA_TYPE__DATA_TYPE_FLOAT16 : BUILD__DATA_TYPE__DATA_TYPE_FLOAT32;
    request->space_type = l2 ? BUILD__SPACE_TYPE__SPACE_TYPE_L2 : BUILD__SPACE_TYPE__SPACE_TYPE_INNER_PRODUCT;
    request->result_digest = (Repository__DigestAlgorithm)build->settings.digest;
}

void
vmx_trigger_again(vmx_build *build)
{
    const vmx_build_spec *spec = &build->settings.spec;
    trigger_request request;
    Build__InPlace in_place;
    build__trigger_build_request__init(&request);
    build__in_place__init(&in_place);
    in_place.namespace_ = build->settings.name_space;
    if (build->kind == VMX_BUILD_IN_PLACE)
        request.in_place = &in_place;
    else
        describe_blobs(build, &request);
    request.tenant_id = build->settings.tenant;
    request.idempotency_key = build->settings.key;
    request.retry_failed = build->retried;
    request.engine = BUILD__ENGINE__ENGINE_FAISS;
    request.algorithm = BUILD__ALGORITHM__ALGORITHM_HNSW;
    request.m = spec->m;
    request.ef_construction = spec->ef_construction;
    request.ef_search = spec->ef_search;
    request.graph_only = spec->graph_only;
    request.deterministic = spec->deterministic;
    request.expected_memory_bytes = spec->expected_memory_bytes;
    request.deadline_ms = time_left_ms(build);
    request.lease_ms = (uint64_t)build->settings.lease_ms;
    build->triggered = true;
    vmx_ask_start(&build->ask, build, VMX_BUILD_SERVICE "TriggerBuild", &request.base, &build__build__descriptor,
                  on_triggered);
}

void
vmx_trigger_begin(vmx_build *build)
{
    vmx_build_enter(build, VMX_BUILD_TRIGGER, 0, 0);
    vmx_trigger_again(build);
}
