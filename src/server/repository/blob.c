#include "server/repository/blob.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "server/message_copy.h"
#include "server/repository/repository.h"

static const char null_storage[4] = {'n', 'u', 'l', 'l'};

vmxd_blob *
vmxd_blob_adopt(Vmxd__StoredBlob *stored, const char *path, bool discarded)
{
    vmxd_blob *blob = vmx_calloc(1, sizeof *blob);
    if (!blob) {
        vmxd__stored_blob__free_unpacked(stored, NULL);
        return NULL;
    }
    atomic_init(&blob->refs, 1);
    blob->stored = stored;
    blob->bytes = stored->blob->forms[0]->total_bytes;
    blob->discarded = discarded;
    vmxd_blob_touch(blob);
    snprintf(blob->path, sizeof blob->path, "%s", path);
    return blob;
}

vmxd_blob *
vmxd_blob_new(const Vmxd__StoredBlob *stored, const char *path, bool discarded)
{
    Vmxd__StoredBlob *copy = vmxd_copy_message(&stored->base, NULL);
    return copy ? vmxd_blob_adopt(copy, path, discarded) : NULL;
}

vmxd_blob *
vmxd_blob_ref(vmxd_blob *blob)
{
    atomic_fetch_add(&blob->refs, 1);
    return blob;
}

void
vmxd_blob_touch(vmxd_blob *blob)
{
    atomic_store(&blob->touched_ms, vmxd_unix_ms());
}

void
vmxd_blob_unref(vmxd_blob *blob)
{
    if (!blob || atomic_fetch_sub(&blob->refs, 1) != 1)
        return;
    vmxd__stored_blob__free_unpacked(blob->stored, NULL);
    vmx_dealloc(blob);
}

const Repository__Blob *
vmxd_blob_info(const vmxd_blob *blob)
{
    return blob->stored->blob;
}

const Repository__BlobForm *
vmxd_blob_form(const vmxd_blob *blob, Repository__Form form)
{
    const Repository__Blob *info = vmxd_blob_info(blob);
    for (size_t i = 0; i < info->n_forms; i++)
        if (info->forms[i]->form == form)
            return info->forms[i];
    return NULL;
}

uint64_t
vmxd_storage_block_bytes(const Repository__StorageBlock *storage)
{
    return storage ? storage->head.len + storage->vector_bytes : 0;
}

Repository__Blob *
vmxd_blob_summary(const vmxd_blob *of, vmx_arena *arena)
{
    const Repository__Blob *blob = vmxd_blob_info(of);
    Repository__Blob *out = vmx_arena_alloc(arena, sizeof *out);
    Repository__BlobForm **forms = vmx_arena_calloc(arena, blob->n_forms, sizeof(Repository__BlobForm *));
    Repository__BlobForm *copies = vmx_arena_calloc(arena, blob->n_forms, sizeof *copies);
    if (!out || !forms || !copies)
        return NULL;
    *out = *blob;
    out->forms = forms;
    for (size_t i = 0; i < blob->n_forms; i++) {
        copies[i] = *blob->forms[i];
        copies[i].n_part_digests = 0;
        forms[i] = &copies[i];
    }
    return out;
}

/* --- reading ------------------------------------------------------------------------------------------------------- */

static bool
check_range(vmxd_blob_reader *reader, uint64_t offset, uint64_t length, vmxd_status *status)
{
    uint64_t total = reader->form->total_bytes;
    if (offset > total || length > total - offset)
        return vmxd_refuse(
            status, GRPC_STATUS_OUT_OF_RANGE,
            "range of %" PRIu64 " bytes from %" PRIu64 " on: \"%.*s\" has %" PRIu64 " bytes in this form", length,
            offset, vmxd_clip(vmxd_blob_info(reader->blob)->name), vmxd_blob_info(reader->blob)->name, total);
    uint64_t part = vmxd_blob_info(reader->blob)->part_bytes;
    reader->from = offset;
    reader->to = length == 0 ? total : offset + length;
    reader->at = offset / part * part;
    reader->end = reader->to == reader->at ? reader->at : (reader->to - 1) / part * part + part;
    if (reader->end > total)
        reader->end = total;
    return true;
}

bool
vmxd_blob_reader_open(vmxd_blob_reader *reader, vmxd_blob *blob, int data, Repository__Form form, uint64_t offset,
                      uint64_t length, vmxd_status *status)
{
    const char *name = vmxd_blob_info(blob)->name;
    *reader = (vmxd_blob_reader){.blob = vmxd_blob_ref(blob), .form = vmxd_blob_form(blob, form), .fd = data};
    if (!reader->form)
        return vmxd_refuse(status, GRPC_STATUS_FAILED_PRECONDITION,
                           "\"%.*s\" has no graph-only form; only a built index has one", vmxd_clip(name), name);
    if (blob->discarded)
        return vmxd_refuse(status, GRPC_STATUS_FAILED_PRECONDITION,
                           "\"%.*s\" cannot be read: this server discards what is uploaded", vmxd_clip(name), name);
    return check_range(reader, offset, length, status) && data >= 0; /* or `status` has the reason already */
}

/* Bytes of the form: of the full one those of the file, of the graph-only one without the storage block. */
static bool
read_form(vmxd_blob_reader *reader, char *out, size_t len, vmxd_status *status)
{
    const Repository__Blob *info = vmxd_blob_info(reader->blob);
    uint64_t at = reader->at,
             hole = reader->form->form == REPOSITORY__FORM__FORM_FULL ? UINT64_MAX : info->storage->offset;
    while (len > 0) {
        size_t piece = len;
        bool done = true;
        if (at < hole) {
            piece = len < hole - at ? len : (size_t)(hole - at);
            done = vmxd_disk_read(reader->fd, out, piece, at, info->name, status);
        } else if (at < hole + sizeof null_storage) {
            piece = len < hole + sizeof null_storage - at ? len : (size_t)(hole + sizeof null_storage - at);
            memcpy(out, null_storage + (at - hole), piece);
        } else {
            uint64_t skipped = vmxd_storage_block_bytes(info->storage) - sizeof null_storage;
            done = vmxd_disk_read(reader->fd, out, piece, at + skipped, info->name, status);
        }
        if (!done)
            return false;
        out += piece;
        at += piece;
        len -= piece;
    }
    return true;
}

/* `reader->at` is at a part's end. */
static bool
check_part(vmxd_blob_reader *reader, vmxd_status *status)
{
    const Repository__Blob *info = vmxd_blob_info(reader->blob);
    uint64_t number = (reader->at - 1) / info->part_bytes;
    uint8_t found[VMX_DIGEST_MAX_BYTES];
    size_t len = vmx_digest_peek(&reader->digest, found);
    const ProtobufCBinaryData *known = &reader->form->part_digests[number];
    return (len == known->len && memcmp(found, known->data, len) == 0) ||
           vmxd_refuse(status, GRPC_STATUS_DATA_LOSS,
                       "blob \"%.*s\", part %" PRIu64 ": what is stored does not have the part's %s digest; it was "
                       "damaged, write it again",
                       vmxd_clip(info->name), info->name, number,
                       vmx_digest_name((vmx_digest_algorithm)info->digest_algorithm));
}

/* Reads on to at most the part's end; `*len` bytes. */
static bool
read_piece(vmxd_blob_reader *reader, void *buffer, size_t capacity, size_t *len, vmxd_status *status)
{
    const Repository__Blob *info = vmxd_blob_info(reader->blob);
    uint64_t part_end = (reader->at / info->part_bytes + 1) * info->part_bytes;
    if (part_end > reader->form->total_bytes)
        part_end = reader->form->total_bytes;
    if (reader->at % info->part_bytes == 0 &&
        !vmx_digest_begin(&reader->digest, (vmx_digest_algorithm)info->digest_algorithm))
        return vmxd_no_memory(status);
    *len = capacity < part_end - reader->at ? capacity : (size_t)(part_end - reader->at);
    if (!read_form(reader, buffer, *len, status))
        return false;
    vmx_digest_update(&reader->digest, buffer, *len);
    reader->at += *len;
    return reader->at < part_end || check_part(reader, status);
}

bool
vmxd_blob_reader_next(vmxd_blob_reader *reader, void *buffer, size_t capacity, vmx_str *data, uint64_t *offset,
                      vmxd_status *status)
{
    *data = (vmx_str){0};
    while (reader->at < reader->end && data->len == 0) {
        uint64_t begin = reader->at;
        size_t len = 0;
        if (!read_piece(reader, buffer, capacity, &len, status))
            return false;
        uint64_t from = begin > reader->from ? begin : reader->from;
        uint64_t to = begin + len < reader->to ? begin + len : reader->to;
        *offset = from;
        if (from < to)
            *data = (vmx_str){(char *)buffer + (from - begin), (size_t)(to - from)};
    }
    return true;
}

void
vmxd_blob_reader_close(vmxd_blob_reader *reader)
{
    if (reader->fd >= 0)
        close(reader->fd);
    vmx_digest_free(&reader->digest);
    vmxd_blob_unref(reader->blob);
    *reader = (vmxd_blob_reader){.fd = -1};
}
