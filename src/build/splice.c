/* Puts the vectors back into a graph-only result, from the source, and compares them with what was uploaded. */
#include <string.h>

#include "build/internal.h"
#include "core/error.h"

static void
end_splicer(vmx_splicer *splicer)
{
    splicer->buffer = vmx_block_release(splicer->buffer);
    if (splicer->actor.active && !splicer->chore.busy)
        vmx_actor_end(splicer->build, &splicer->actor);
}

static void
stop_splicer(vmx_actor *actor)
{
    vmx_splicer *splicer = VMX_OWNER(vmx_splicer, actor, actor);
    if (!splicer->chore.busy)
        end_splicer(splicer);
}

/* The bytes to the end of the chunk, or of the uploaded part, whichever comes first. */
static size_t
next_piece(const vmx_splicer *splicer)
{
    const vmx_build *build = splicer->build;
    uint64_t left = build->vectors.blob.size_bytes - splicer->at, chunk = build->settings.chunk_bytes;
    uint64_t part = build->vectors.part_bytes;
    uint64_t to_part = part > 0 ? part - splicer->at % part : left;
    uint64_t piece = left < chunk ? left : chunk;
    return (size_t)(piece < to_part ? piece : to_part);
}

/* At the end of a part: is its digest the uploaded one? */
static void
check_part(vmx_splicer *splicer, vmx_error *error)
{
    uint8_t mine[VMX_DIGEST_MAX_BYTES];
    const vmx_upload *upload = &splicer->build->vectors;
    bool at_end =
        splicer->at == upload->blob.size_bytes || (upload->part_bytes > 0 && splicer->at % upload->part_bytes == 0);
    if (upload->parts == NULL || !at_end)
        return;
    uint64_t part = (splicer->at - 1) / upload->part_bytes;
    size_t len = vmx_digest_peek(&splicer->digest, mine);
    if (upload->parts[part].complete && (len == 0 || memcmp(mine, upload->parts[part].digest, len) != 0))
        vmx_error_set(error, VMX_ERR_INVALID,
                      "build: the source's vectors of part %llu are not those that were uploaded; do not change them "
                      "while they are built",
                      (unsigned long long)part);
    vmx_digest_begin(&splicer->digest, splicer->digest.algorithm);
}

static void
run_splice(vmx_chore *chore)
{
    vmx_splicer *splicer = VMX_OWNER(vmx_splicer, chore, chore);
    vmx_build *build = splicer->build;
    const vmx_placement *to = &build->download.placement;
    size_t piece = next_piece(splicer);
    vmx_status status = VMX_OK;
    if (splicer->at == 0)
        status = vmx_output_write(build, to->head, to->head_bytes, to->splice, &chore->error);
    if (status == VMX_OK)
        status = vmx_blob_read(&build->vectors.blob, splicer->at, piece, splicer->data, &chore->error);
    if (status == VMX_OK)
        status =
            vmx_output_write(build, splicer->data, piece, to->splice + to->head_bytes + splicer->at, &chore->error);
    if (status != VMX_OK)
        return;
    vmx_digest_update(&splicer->digest, splicer->data, piece);
    splicer->at += piece;
    vmx_count(&build->parts.counters->spliced_bytes, piece);
    check_part(splicer, &chore->error);
}

static void
on_spliced(vmx_chore *chore)
{
    vmx_splicer *splicer = VMX_OWNER(vmx_splicer, chore, chore);
    vmx_build *build = splicer->build;
    if (vmx_build_halted(build)) {
        end_splicer(splicer);
    } else if (chore->error.code != VMX_OK) {
        end_splicer(splicer);
        vmx_build_fail(build, &chore->error);
    } else if (splicer->at == build->vectors.blob.size_bytes) {
        end_splicer(splicer);
        vmx_download_spliced(build);
    } else {
        vmx_chore_start(&splicer->chore, build, run_splice, on_spliced);
    }
}

void
vmx_splicer_pump(vmx_splicer *splicer)
{
    if (!splicer->actor.active || splicer->buffer != NULL || vmx_build_halted(splicer->build))
        return;
    splicer->buffer = vmx_build_take_buffer(splicer->build, &splicer->data);
    if (splicer->buffer != NULL)
        vmx_chore_start(&splicer->chore, splicer->build, run_splice, on_spliced);
}

void
vmx_splicer_start(vmx_splicer *splicer, vmx_build *build)
{
    splicer->build = build;
    splicer->at = 0;
    vmx_actor_begin(build, &splicer->actor, stop_splicer);
    if (vmx_digest_begin(&splicer->digest, build->settings.digest))
        vmx_splicer_pump(splicer);
    else
        vmx_build_fail_with(build, VMX_ERR_NO_MEMORY, "out of memory");
}
