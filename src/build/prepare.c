/* What a build is to do, before it is launched: its source is taken for it alone, its settings are resolved. */
#include "build/internal.h"
#include "core/error.h"
#include "core/lender.h"

static void
release_source(void *user)
{
    vmx_source_free(user);
}

/* Takes the source for this build alone. */
static vmx_status
take_source(vmx_build *build, vmx_source *source, vmx_error *error)
{
    if (atomic_exchange(&source->taken, true))
        return vmx_error_set(error, VMX_ERR_INVALID, "build: another build uses this source; make one for each");
    build->source_taken = true;
    build->source = vmx_source_acquire(source);
    build->lender = vmx_lender_new(release_source, vmx_source_acquire(source));
    build->ids.wanted = source->ids != NULL;
    build->ids_rows = vmx_source_ids(source);
    if (build->lender == NULL)
        vmx_source_free(source);
    return build->lender != NULL && build->ids_rows != NULL ? VMX_OK : vmx_error_no_memory(error);
}

vmx_status
vmx_build_prepare(vmx_build *build, vmx_source *source, const vmx_build_spec *spec, const vmx_call_settings *settings,
                  int64_t total_timeout_ms, vmx_error *error)
{
    build->kind = VMX_BUILD_REMOTE;
    build->settings.call = *settings;
    build->settings.total_timeout_ms = total_timeout_ms;
    vmx_status status = take_source(build, source, error);
    if (status == VMX_OK)
        status = vmx_build_settings_make(build, spec, error);
    if (status != VMX_OK)
        return status;
    const vmx_build_spec *ours = &build->settings.spec;
    vmx_blob_init(&build->vectors.blob, source->vectors,
                  ours->data_type == VMX_DATA_FLOAT16 ? VMX_BLOB_FLOAT16 : VMX_BLOB_AS_IS,
                  ours->space == VMX_SPACE_COSINE);
    vmx_blob_init(&build->ids.blob, build->ids_rows, VMX_BLOB_AS_IS, false);
    build->vectors.name = build->settings.vector_blob;
    build->ids.name = build->settings.doc_id_blob;
    build->sender_count = build->settings.streams_up;
    return VMX_OK;
}

vmx_status
vmx_build_prepare_in_place(vmx_build *build, vmx_str name_space, const vmx_build_spec *spec,
                           const vmx_call_settings *settings, int64_t total_timeout_ms, vmx_error *error)
{
    build->kind = VMX_BUILD_IN_PLACE;
    build->settings.call = *settings;
    build->settings.total_timeout_ms = total_timeout_ms;
    build->settings.name_space = (char *)(uintptr_t)vmx_arena_str(&build->op.arena, name_space).ptr;
    if (build->settings.name_space == NULL)
        return vmx_error_no_memory(error);
    return vmx_build_settings_make(build, spec, error);
}
