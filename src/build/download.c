/* The result: which form, what goes where, and when it is whole. */
#include <stdio.h>
#include <string.h>

#include "build/faiss.h"
#include "build/internal.h"
#include "core/alloc.h"
#include "core/error.h"

/* --- the plan ------------------------------------------------------------------------------------------------------ */

static const vmx_pb_form *
form_of(const vmx_pb_blob *blob, Repository__Form wanted)
{
    for (size_t i = 0; i < blob->n_forms; i++)
        if (blob->forms[i]->form == wanted)
            return blob->forms[i];
    return NULL;
}

/* The storage block as it must be; the server's word for it is only compared. */
static bool
plan_splice(vmx_build *build, const vmx_pb_blob *blob, const vmx_pb_form *form)
{
    vmx_placement *to = &build->download.placement;
    bool half = build->settings.spec.data_type == VMX_DATA_FLOAT16;
    uint64_t vectors = vmx_source_count(build->source), tail = 8 + 8 * vectors + 4;
    to->head_bytes = vmx_faiss_storage_head(to->head, half, vmx_source_dimension(build->source), vectors,
                                            build->settings.spec.space == VMX_SPACE_L2);
    to->vector_bytes = build->vectors.blob.size_bytes;
    to->splice = form->total_bytes > tail ? form->total_bytes - tail : 0; /* before the ids */
    to->file_bytes = form->total_bytes - 4 + to->head_bytes + to->vector_bytes;
    return blob->storage->offset == to->splice && blob->storage->head.len == to->head_bytes &&
           memcmp(blob->storage->head.data, to->head, to->head_bytes) == 0 &&
           blob->storage->vector_bytes == to->vector_bytes;
}

static bool
keep_digests(vmx_download *download, const vmx_pb_form *form)
{
    size_t len = download->digest_bytes;
    download->part_digests = vmx_alloc(form->n_part_digests * len + 1);
    if (download->part_digests == NULL)
        return false;
    for (size_t i = 0; i < form->n_part_digests; i++) {
        if (form->part_digests[i].len != len)
            return false;
        memcpy(download->part_digests + i * len, form->part_digests[i].data, len);
    }
    memcpy(download->form_digest, form->digest.data, len);
    return true;
}

/* The digest of the ordered part digests must be the form's. */
static bool
digests_agree(const vmx_download *download)
{
    uint8_t all[VMX_DIGEST_MAX_BYTES];
    vmx_digest digest = {0};
    bool same = vmx_digest_begin(&digest, download->digest);
    if (same) {
        vmx_digest_update(&digest, download->part_digests, download->part_count * download->digest_bytes);
        same = vmx_digest_peek(&digest, all) == download->digest_bytes &&
               memcmp(all, download->form_digest, download->digest_bytes) == 0;
    }
    vmx_digest_free(&digest);
    return same;
}

static const char *
plan(vmx_build *build, const vmx_pb_blob *blob)
{
    vmx_download *download = &build->download;
    const vmx_pb_form *form = NULL;
    bool sha256 = blob->digest_algorithm == REPOSITORY__DIGEST_ALGORITHM__DIGEST_ALGORITHM_SHA256;
    if (build->settings.spec.graph_only && blob->storage != NULL)
        form = form_of(blob, REPOSITORY__FORM__FORM_GRAPH_ONLY);
    download->placement.graph_only = form != NULL;
    if (form == NULL)
        form = form_of(blob, REPOSITORY__FORM__FORM_FULL);
    download->digest = sha256 ? VMX_DIGEST_SHA256 : VMX_DIGEST_CRC32C;
    download->digest_bytes = vmx_digest_bytes(download->digest);
    if (form == NULL || blob->part_bytes == 0 || form->total_bytes == 0 || form->digest.len != download->digest_bytes ||
        form->total_bytes > INT64_MAX || form->n_part_digests != (form->total_bytes - 1) / blob->part_bytes + 1)
        return "its sizes and digests do not fit together";
    download->placement.total_bytes = download->placement.file_bytes = form->total_bytes;
    download->part_bytes = blob->part_bytes;
    download->part_count = download->parts_left = (uint32_t)form->n_part_digests;
    download->blob = vmx_arena_str(&build->op.arena, vmx_str_from(blob->name)).ptr;
    if (download->blob == NULL || !keep_digests(download, form) || !digests_agree(download))
        return "its part digests are not those of the whole";
    if (download->placement.graph_only && !plan_splice(build, blob, form))
        return "its storage block is not the one that these vectors have";
    return NULL;
}

/* --- the end ------------------------------------------------------------------------------------------------------- */

static void
run_finish(vmx_chore *chore)
{
    vmx_output_finish(chore->build, &chore->error);
}

static void
on_finished(vmx_chore *chore)
{
    vmx_build *build = chore->build;
    vmx_download *download = &build->download;
    download->buffer = vmx_block_release(download->buffer);
    vmx_actor_end(build, &download->actor);
    if (chore->error.code != VMX_OK) {
        vmx_build_fail(build, &chore->error);
        return;
    }
    vmx_count(&build->parts.counters->downloads.success, 1);
    vmx_count(&build->parts.counters->downloads.duration_us, vmx_build_now(build) - download->started_us);
    if (!vmx_build_halted(build))
        vmx_build_downloaded(build);
}

/* All parts are there, and the vectors. */
static void
finish_if_whole(vmx_build *build)
{
    vmx_download *download = &build->download;
    if (download->parts_left > 0 || (download->placement.graph_only && !download->spliced) || vmx_build_halted(build) ||
        download->actor.active)
        return;
    if (build->settings.lucene_footer && download->buffer == NULL)
        download->buffer = vmx_build_take_buffer(build, &download->data);
    if (build->settings.lucene_footer && download->buffer == NULL)
        return; /* a fetcher or the splicer gives one back soon, and this is called again */
    vmx_actor_begin(build, &download->actor, vmx_actor_stop_nothing);
    vmx_chore_start(&download->chore, build, run_finish, on_finished);
}

void
vmx_download_part_done(vmx_build *build, uint32_t part)
{
    (void)part;
    build->download.parts_left--;
    finish_if_whole(build);
}

void
vmx_download_pump(vmx_build *build)
{
    if (build->fetcher_count > 0)
        finish_if_whole(build);
}

void
vmx_download_spliced(vmx_build *build)
{
    build->download.spliced = true;
    finish_if_whole(build);
}

/* --- the beginning ------------------------------------------------------------------------------------------------- */

static void
run_open(vmx_chore *chore)
{
    vmx_output_open(chore->build, &chore->error);
}

static void
on_open(vmx_chore *chore)
{
    vmx_build *build = chore->build;
    vmx_actor_end(build, &build->download.actor);
    if (vmx_build_halted(build))
        return;
    if (chore->error.code != VMX_OK) {
        vmx_build_fail(build, &chore->error);
        return;
    }
    build->fetcher_count = build->settings.streams_down;
    for (size_t i = 0; i < build->fetcher_count && !vmx_build_halted(build); i++)
        vmx_fetcher_start(&build->fetchers[i], build);
    if (build->download.placement.graph_only && !vmx_build_halted(build))
        vmx_splicer_start(&build->splicer, build);
}

void
vmx_download_begin(vmx_build *build)
{
    vmx_download *download = &build->download;
    vmx_build_enter(build, VMX_BUILD_DOWNLOAD, download->placement.total_bytes, vmx_source_count(build->source));
    download->started_us = vmx_build_now(build);
    vmx_buffers_thin(build->buffers); /* what is received takes their place */
    vmx_actor_begin(build, &download->actor, vmx_actor_stop_nothing);
    vmx_chore_start(&download->chore, build, run_open, on_open);
}

bool
vmx_download_plan(vmx_build *build, const vmx_pb_blob *blob)
{
    const char *wrong = blob == NULL ? "it is gone" : plan(build, blob);
    if (wrong == NULL)
        return true;
    vmx_build_fail_with(build, VMX_ERR_PROTOCOL,
                        "%s at %s: the result cannot be downloaded: %s; use another "
                        "idempotency_key",
                        build->op.name, build->parts.caller->endpoint, wrong);
    return false;
}
