/*
 * The check before the first byte: do the switches and the size limits want a remote build, can the server build this
 * data type, and does its repository have the room?
 */
#include "build/internal.h"
#include "core/error.h"

static void
on_repository(vmx_ask *ask)
{
    vmx_build *build = ask->build;
    const Repository__RepositoryDescription *found = ask->reply;
    if (vmx_build_halted(build))
        return;
    uint64_t needed = build->vectors.blob.size_bytes + build->ids.blob.size_bytes;
    if (found == NULL)
        vmx_build_fail(build, &ask->error);
    else if (found->quota_bytes > 0 && needed > found->quota_bytes)
        vmx_build_fail_with(build, VMX_ERR_RESOURCE_EXHAUSTED,
                            "%s at %s: the repository takes %llu bytes in all, and these vectors are %llu",
                            build->op.name, build->parts.caller->endpoint, (unsigned long long)found->quota_bytes,
                            (unsigned long long)needed);
    else
        vmx_resume_begin(build);
}

static bool
builder_can(const vmx_build *build, const Build__BuilderDescription *found)
{
    bool half = build->settings.spec.data_type == VMX_DATA_FLOAT16;
    for (size_t i = 0; i < found->n_data_types; i++)
        if (found->data_types[i] == (half ? BUILD__DATA_TYPE__DATA_TYPE_FLOAT16 : BUILD__DATA_TYPE__DATA_TYPE_FLOAT32))
            return true;
    return false;
}

static void
on_builder(vmx_ask *ask)
{
    vmx_build *build = ask->build;
    Repository__DescribeRepositoryRequest request;
    if (vmx_build_halted(build))
        return;
    if (ask->reply == NULL) {
        vmx_build_fail(build, &ask->error);
        return;
    }
    if (!builder_can(build, ask->reply)) {
        vmx_build_fail_with(build, VMX_ERR_UNSUPPORTED, "%s at %s: the server does not build this data type",
                            build->op.name, build->parts.caller->endpoint);
        return;
    }
    repository__describe_repository_request__init(&request);
    vmx_ask_start(&build->ask, build, VMX_REPOSITORY_SERVICE "DescribeRepository", &request.base,
                  &repository__repository_description__descriptor, on_repository);
}

void
vmx_check_begin(vmx_build *build)
{
    char why[160];
    Build__DescribeBuilderRequest request;
    vmx_build_decline(build, why, sizeof why);
    if (why[0] != '\0') {
        vmx_build_fail_with(build, VMX_ERR_UNSUPPORTED, "%s", why);
        return;
    }
    vmx_error error;
    if (vmx_workers_choose(build->parts.workers, &build->worker, &error) != VMX_OK) {
        vmx_build_fail(build, &error);
        return;
    }
    build__describe_builder_request__init(&request);
    vmx_ask_start(&build->ask, build, VMX_BUILD_SERVICE "DescribeBuilder", &request.base,
                  &build__builder_description__descriptor, on_builder);
}
