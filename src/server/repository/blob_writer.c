#include "server/repository/blob_writer.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_BYTES (1 << 20)

/* --- digests ------------------------------------------------------------------------------------------------------- */

static void
end_part(vmxd_form_digests *form)
{
    uint8_t digest[VMX_DIGEST_MAX_BYTES];
    vmx_buffer_append(&form->digests, digest, vmx_digest_peek(&form->part, digest));
}

static bool
add(vmxd_form_digests *form, const vmxd_blob_plan *plan, const uint8_t *data, size_t len)
{
    while (len > 0) {
        uint64_t in_part = form->bytes % plan->part_bytes;
        if (in_part == 0 && !vmx_digest_begin(&form->part, plan->algorithm))
            return false;
        size_t piece = len < plan->part_bytes - in_part ? len : (size_t)(plan->part_bytes - in_part);
        vmx_digest_update(&form->part, data, piece);
        form->bytes += piece;
        data += piece;
        len -= piece;
        if (form->bytes % plan->part_bytes == 0)
            end_part(form);
    }
    return true;
}

/* What of [at, at + len) lies in [from, to). */
static size_t
overlap(uint64_t at, size_t len, uint64_t from, uint64_t to, size_t *skip)
{
    uint64_t begin = at > from ? at : from, end = at + len < to ? at + len : to;
    *skip = begin < end ? (size_t)(begin - at) : 0;
    return begin < end ? (size_t)(end - begin) : 0;
}

/* The graph-only form of these bytes; keeps the head of the block that is left out. */
static bool
add_graph(vmxd_blob_writer *writer, const uint8_t *data, size_t len)
{
    const vmxd_blob_plan *plan = &writer->plan;
    uint64_t at = writer->full.bytes, block = plan->storage_offset;
    uint64_t end = block + plan->head_bytes + plan->vector_bytes;
    size_t skip, count = overlap(at, len, 0, block, &skip);
    bool done = add(&writer->graph, plan, data, count);
    if (at <= block && block < at + len)
        done = done && add(&writer->graph, plan, (const uint8_t *)"null", 4);
    count = overlap(at, len, block, block + plan->head_bytes, &skip);
    if (count > 0)
        memcpy(writer->head + (at + skip - block), data + skip, count);
    count = overlap(at, len, end, UINT64_MAX, &skip);
    return done && add(&writer->graph, plan, data + skip, count);
}

/* --- writing ------------------------------------------------------------------------------------------------------- */

bool
vmxd_blob_writer_open(vmxd_blob_writer *writer, vmxd_repository *repository, const vmxd_blob_plan *plan)
{
    char id[33], path[VMXD_PATH_BYTES + 8];
    *writer = (vmxd_blob_writer){.repository = repository, .plan = *plan, .fd = -1};
    int directory = vmxd_repository_directory(repository, &writer->status);
    vmxd_random_id(id);
    snprintf(writer->path, sizeof writer->path, "new/%s", id);
    snprintf(path, sizeof path, "%s/data", writer->path);
    if (directory < 0 || !vmxd_disk_make_directory(directory, writer->path, &writer->status))
        return false;
    writer->fd = vmxd_disk_open(directory, path, O_RDWR | O_CREAT | O_EXCL, &writer->status);
    return writer->fd >= 0;
}

static bool
flush(vmxd_blob_writer *writer)
{
    size_t len = writer->buffer.len;
    uint64_t at = writer->full.bytes;
    if (!vmxd_repository_reserve(writer->repository, len, &writer->status))
        return false;
    writer->reserved += len;
    if (!vmxd_disk_write(writer->fd, writer->buffer.data, len, at, writer->plan.name, &writer->status))
        return false;
    if (!add_graph(writer, writer->buffer.data, len) || !add(&writer->full, &writer->plan, writer->buffer.data, len))
        return vmxd_no_memory(&writer->status);
    writer->buffer.len = 0;
    return true;
}

bool
vmxd_blob_writer_write(void *user, const void *data, size_t len)
{
    vmxd_blob_writer *writer = user;
    const uint8_t *at = data;
    while (len > 0) {
        size_t room = BUFFER_BYTES - writer->buffer.len, piece = len < room ? len : room;
        vmx_buffer_append(&writer->buffer, at, piece);
        if (writer->buffer.failed)
            return vmxd_no_memory(&writer->status);
        if (writer->buffer.len == BUFFER_BYTES && !flush(writer))
            return false;
        at += piece;
        len -= piece;
    }
    return true;
}

/* --- publishing ---------------------------------------------------------------------------------------------------- */

/* The last part ends; the form's message. */
static bool
fill_form(vmxd_form_digests *digests, const vmxd_blob_plan *plan, vmx_arena *arena, Repository__BlobForm *form)
{
    size_t width = vmx_digest_bytes(plan->algorithm);
    vmx_digest whole = {0};
    if (digests->bytes % plan->part_bytes != 0)
        end_part(digests);
    size_t count = digests->digests.len / width;
    form->total_bytes = digests->bytes;
    form->part_digests = vmx_arena_calloc(arena, count + 1, sizeof *form->part_digests);
    form->digest.data = vmx_arena_alloc(arena, VMX_DIGEST_MAX_BYTES);
    if (digests->digests.failed || !form->part_digests || !form->digest.data ||
        !vmx_digest_begin(&whole, plan->algorithm))
        return false;
    for (size_t i = 0; i < count; i++)
        form->part_digests[form->n_part_digests++] = (ProtobufCBinaryData){width, digests->digests.data + i * width};
    vmx_digest_update(&whole, digests->digests.data, digests->digests.len);
    form->digest.len = vmx_digest_peek(&whole, form->digest.data);
    vmx_digest_free(&whole);
    return form->digest.len > 0;
}

static bool
publish(vmxd_blob_writer *writer, vmx_arena *arena)
{
    const vmxd_blob_plan *plan = &writer->plan;
    Vmxd__StoredBlob stored;
    Repository__Blob info;
    Repository__BlobForm full, graph, *forms[2] = {&full, &graph};
    Repository__StorageBlock storage;
    vmxd__stored_blob__init(&stored);
    repository__blob__init(&info);
    repository__blob_form__init(&full);
    repository__blob_form__init(&graph);
    repository__storage_block__init(&storage);
    graph.form = REPOSITORY__FORM__FORM_GRAPH_ONLY;
    if (!fill_form(&writer->full, plan, arena, &full) || !fill_form(&writer->graph, plan, arena, &graph))
        return vmxd_no_memory(&writer->status);
    storage.offset = plan->storage_offset;
    storage.head = (ProtobufCBinaryData){plan->head_bytes, writer->head};
    storage.vector_bytes = plan->vector_bytes;
    storage.bytes_per_value = plan->bytes_per_value;
    info.name = (char *)plan->name;
    info.build_id = (char *)plan->build_id;
    info.created_ms = vmxd_unix_ms();
    info.digest_algorithm = (Repository__DigestAlgorithm)plan->algorithm;
    info.part_bytes = plan->part_bytes;
    info.n_forms = 2;
    info.forms = forms;
    info.storage = &storage;
    stored.blob = &info;
    vmxd_blob *blob;
    if (!vmxd_repository_publish(writer->repository, &stored, writer->path, false, &blob, &writer->status))
        return false;
    vmxd_blob_unref(blob);
    return true;
}

bool
vmxd_blob_writer_publish(vmxd_blob_writer *writer)
{
    const vmxd_blob_plan *plan = &writer->plan;
    vmx_arena arena = {0};
    if (!flush(writer) || !vmxd_disk_sync(writer->fd, plan->name, &writer->status))
        return false;
    if (memcmp(writer->head, plan->fourcc, 4) != 0 ||
        writer->full.bytes < plan->storage_offset + plan->head_bytes + plan->vector_bytes)
        return vmxd_refuse(&writer->status, GRPC_STATUS_INTERNAL,
                           "the index's storage block is not where it was expected, at byte %" PRIu64,
                           plan->storage_offset);
    bool done = publish(writer, &arena);
    vmx_arena_reset(&arena);
    if (done)
        writer->path[0] = '\0';
    return done;
}

void
vmxd_blob_writer_close(vmxd_blob_writer *writer)
{
    vmxd_status ignored;
    if (writer->fd >= 0)
        close(writer->fd);
    if (writer->path[0] != '\0') {
        vmxd_disk_remove(vmxd_repository_directory(writer->repository, &ignored), writer->path);
        vmxd_repository_release(writer->repository, writer->reserved);
    }
    vmx_digest_free(&writer->full.part);
    vmx_digest_free(&writer->graph.part);
    vmx_buffer_free(&writer->full.digests);
    vmx_buffer_free(&writer->graph.digests);
    vmx_buffer_free(&writer->buffer);
}
