/* Reading a build: its progress while it runs, what it has done, what the server said of builds. */
#include "build/internal.h"
#include "core/sized.h"

const char *
vmx_build_phase_name(vmx_build_phase phase)
{
    static const char *const names[] = {"check", "upload", "trigger", "await", "download", "clean-up", "done"};
    return (size_t)phase < sizeof names / sizeof names[0] ? names[phase] : "?";
}

const char *
vmx_job_state_name(vmx_job_state state)
{
    static const char *const names[] = {"?", "queued", "running", "completed", "failed", "cancelled"};
    return (size_t)state < sizeof names / sizeof names[0] ? names[state] : "?";
}

void
vmx_progress_init(vmx_progress *progress, size_t size)
{
    vmx_sized_init(progress, size);
}

void
vmx_build_info_init(vmx_build_info *info, size_t size)
{
    vmx_sized_init(info, size);
}

void
vmx_job_init(vmx_job *job, size_t size)
{
    vmx_sized_init(job, size);
}

void
vmx_build_list_init(vmx_build_list *list, size_t size)
{
    vmx_sized_init(list, size);
}

static const vmx_build *
build_of(const vmx_op *op)
{
    return vmx_build_is_op(op) ? VMX_OWNER(const vmx_build, op, op) : NULL;
}

/* Vectors whose bytes have gone, in proportion. */
static uint64_t
vectors_of(const vmx_progress *progress)
{
    if (progress->bytes_total == 0)
        return progress->vectors_done;
    double share = (double)progress->bytes_done / (double)progress->bytes_total;
    return (uint64_t)(share * (double)progress->vectors_total);
}

bool
vmx_op_progress(const vmx_op *op, vmx_progress *progress)
{
    const vmx_build *build = build_of(op);
    if (build == NULL)
        return false;
    vmx_progress ours = {
        .phase = (vmx_build_phase)atomic_load(&build->phase),
        .bytes_done = atomic_load(&build->bytes_done),
        .bytes_total = atomic_load(&build->bytes_total),
        .vectors_done = atomic_load(&build->vectors_done),
        .vectors_total = atomic_load(&build->vectors_total),
        .queue_position = atomic_load(&build->queue_position),
    };
    if (ours.bytes_done > ours.bytes_total) /* a repeated piece has not been taken back yet */
        ours.bytes_done = ours.bytes_total;
    uint64_t since_us = vmx_build_now(build) - atomic_load(&build->phase_started_us);
    ours.bytes_per_second = since_us > 0 ? (double)ours.bytes_done * 1e6 / (double)since_us : 0;
    ours.vectors_done = vectors_of(&ours);
    vmx_sized_write(progress, &ours, sizeof ours);
    return true;
}

bool
vmx_op_build(const vmx_op *op, vmx_build_info *info)
{
    const vmx_build *build = build_of(op);
    if (build == NULL || !vmx_op_done(op) || build->kind > VMX_BUILD_IN_PLACE)
        return false;
    vmx_build_info ours = {
        .phase = (vmx_build_phase)atomic_load(&build->phase),
        .cause = build->cause,
        .uploaded_bytes = atomic_load(&build->uploaded),
        .downloaded_bytes = atomic_load(&build->downloaded),
        .result_bytes = build->download.placement.file_bytes,
        .retries = atomic_load(&build->retries),
        .rows_read = build->source != NULL ? vmx_source_rows_read(build->source) : 0,
        .graph_only = build->download.placement.graph_only,
        .blobs_left = build->blobs_left,
    };
    vmx_sized_write(info, &ours, sizeof ours);
    return true;
}

size_t
vmx_op_job_count(const vmx_op *op)
{
    const vmx_build *build = build_of(op);
    return build != NULL && vmx_op_done(op) ? build->job_count : 0;
}

bool
vmx_op_job(const vmx_op *op, size_t i, vmx_job *job)
{
    bool there = i < vmx_op_job_count(op);
    if (there)
        vmx_sized_write(job, &build_of(op)->jobs[i], sizeof *job);
    return there;
}

vmx_str
vmx_op_build_next_token(const vmx_op *op)
{
    const vmx_build *build = build_of(op);
    return build != NULL && vmx_op_done(op) ? build->next_token : (vmx_str){NULL, 0};
}
