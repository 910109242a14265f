#include <inttypes.h>
#include <string.h>

#include "core/alloc.h"
#include "server/repository/upload_private.h"

/* --- the header ---------------------------------------------------------------------------------------------------- */

static bool
check_part_number(const vmxd_upload *upload, uint32_t number, vmxd_status *status)
{
    if (vmxd_upload_part_limit(upload, number) > 0)
        return true;
    uint32_t count = upload->known ? vmxd_upload_count_parts(upload->total, upload->part_bytes) : VMXD_MAX_PARTS;
    return vmxd_refuse(status, GRPC_STATUS_OUT_OF_RANGE, "part %u: the upload has %u parts, numbered from 0", number,
                       count);
}

/* Locked. */
static bool
start_at(vmxd_part *part, uint32_t number, uint64_t offset, vmxd_status *status)
{
    if (offset == 0 && (part->confirmed > 0 || part->complete))
        return vmxd_part_restart(part) || vmxd_no_memory(status);
    if (offset == part->confirmed && (!part->complete || offset == 0))
        return true;
    if (part->complete)
        return vmxd_refuse(status, GRPC_STATUS_OUT_OF_RANGE,
                           "part %u, offset %" PRIu64 ": the part is complete with %" PRIu64
                           " bytes; begin again at 0, or leave it",
                           number, offset, part->confirmed);
    return vmxd_refuse(status, GRPC_STATUS_OUT_OF_RANGE,
                       "part %u, offset %" PRIu64 ": %" PRIu64 " bytes are confirmed; go on there, or begin again at 0",
                       number, offset, part->confirmed);
}

bool
vmxd_part_writer_begin(vmxd_part_writer *writer, vmxd_repository *repository, const Repository__WritePartHeader *header,
                       vmxd_status *status)
{
    uint32_t number = header->part_number;
    *writer = (vmxd_part_writer){vmxd_repository_upload(repository, header->upload_id), number, 0};
    if (!writer->upload)
        return vmxd_refuse(
            status, GRPC_STATUS_NOT_FOUND,
            "upload_id \"%.*s\": there is no such upload; it was aborted or completed, or never begun here",
            vmxd_clip(header->upload_id), header->upload_id);
    if (!check_part_number(writer->upload, number, status))
        return false;
    vmxd_part *part = vmxd_upload_part(writer->upload, number, true);
    if (!part)
        return vmxd_no_memory(status);
    pthread_mutex_lock(&part->lock);
    bool done = start_at(part, number, header->offset, status);
    if (done)
        writer->turn = ++part->turn;
    pthread_mutex_unlock(&part->lock);
    return done;
}

void
vmxd_part_writer_close(vmxd_part_writer *writer)
{
    if (writer->upload)
        vmxd_upload_unref(writer->upload);
    *writer = (vmxd_part_writer){0};
}

/* --- chunks -------------------------------------------------------------------------------------------------------- */

static bool
refuse_gone(const vmxd_part_writer *writer, vmxd_status *status)
{
    return vmxd_refuse(status, GRPC_STATUS_NOT_FOUND, "part %u: the upload was aborted or completed meanwhile",
                       writer->number);
}

/* The part is locked. */
static bool
may_write(const vmxd_part_writer *writer, const vmxd_part *part, vmxd_status *status)
{
    vmxd_upload *upload = writer->upload;
    pthread_mutex_lock(&upload->lock);
    vmxd_upload_state state = upload->state;
    pthread_mutex_unlock(&upload->lock);
    if (state == VMXD_UPLOAD_GONE)
        return refuse_gone(writer, status);
    if (state == VMXD_UPLOAD_COMPLETING)
        return vmxd_refuse(status, GRPC_STATUS_ABORTED, "part %u: the upload is being completed", writer->number);
    return part->turn == writer->turn ||
           vmxd_refuse(status, GRPC_STATUS_ABORTED, "part %u: a newer stream writes this part", writer->number);
}

/* Locked. Space for a part that grows, where it was not reserved for the whole. */
static bool
reserve(const vmxd_part_writer *writer, vmxd_part *part, uint64_t needed, vmxd_status *status)
{
    vmxd_upload *upload = writer->upload;
    if (upload->known || needed <= part->reserved)
        return true;
    uint64_t more = needed - part->reserved;
    if (!vmxd_repository_reserve(upload->repository, more, status))
        return false;
    pthread_mutex_lock(&upload->lock);
    bool gone = upload->state == VMXD_UPLOAD_GONE; /* then what was reserved before has been given back */
    upload->total += gone ? 0 : more;
    pthread_mutex_unlock(&upload->lock);
    if (gone)
        vmxd_repository_release(upload->repository, more);
    else
        part->reserved = needed;
    return !gone || refuse_gone(writer, status);
}

/* Locked. */
static bool
check_chunk(const vmxd_part_writer *writer, const vmxd_part *part, vmx_str data, vmxd_status *status)
{
    uint64_t limit = vmxd_upload_part_limit(writer->upload, writer->number);
    if (data.len > VMXD_MAX_CHUNK_BYTES)
        return vmxd_invalid(status, "part %u: a chunk of %zu bytes; at most %d are allowed", writer->number, data.len,
                            VMXD_MAX_CHUNK_BYTES);
    if (part->complete || data.len > limit - part->confirmed)
        return vmxd_refuse(status, GRPC_STATUS_OUT_OF_RANGE,
                           "part %u: a chunk of %zu bytes at %" PRIu64 "; the part may have %" PRIu64 " bytes",
                           writer->number, data.len, part->confirmed, limit);
    return true;
}

/* Locked. The data first, then what is said of it. */
static bool
store(vmxd_part_writer *writer, vmxd_part *part, vmx_str data, uint32_t crc32c, vmxd_status *status)
{
    vmxd_upload *upload = writer->upload;
    uint64_t offset = writer->number * upload->part_bytes + part->confirmed;
    if (upload->data_fd >= 0 && !vmxd_disk_write(upload->data_fd, data.ptr, data.len, offset, "data", status))
        return false;
    vmxd_part_confirm(part, data, crc32c);
    return upload->table_fd < 0 || vmxd_part_save(part, upload->table_fd, writer->number, status);
}

bool
vmxd_part_writer_chunk(vmxd_part_writer *writer, vmx_str data, const uint32_t *crc32c, vmxd_status *status)
{
    vmxd_part *part = vmxd_upload_part(writer->upload, writer->number, false);
    vmxd_upload_touch(writer->upload);
    pthread_mutex_lock(&part->lock);
    bool done = may_write(writer, part, status) && check_chunk(writer, part, data, status) &&
                reserve(writer, part, part->confirmed + data.len, status);
    uint32_t running = done ? vmx_crc32c(part->crc32c, data.ptr, data.len) : 0;
    if (done && crc32c && *crc32c != running)
        done = vmxd_refuse(status, GRPC_STATUS_DATA_LOSS,
                           "part %u: a chunk at %" PRIu64
                           " did not arrive as it was sent (crc32c %08x, not %08x); send it "
                           "again",
                           writer->number, part->confirmed, running, *crc32c);
    done = done && store(writer, part, data, running, status);
    pthread_mutex_unlock(&part->lock);
    vmxd_repository_count(writer->upload->repository, data.len, 0);
    return done;
}

/* --- the end ------------------------------------------------------------------------------------------------------- */

/* Locked. */
static bool
finish(vmxd_part_writer *writer, vmxd_part *part, const ProtobufCBinaryData *digest, vmxd_status *status)
{
    vmxd_upload *upload = writer->upload;
    uint8_t found[VMX_DIGEST_MAX_BYTES];
    uint64_t limit = vmxd_upload_part_limit(upload, writer->number);
    if (upload->known && part->confirmed != limit)
        return vmxd_refuse(status, GRPC_STATUS_OUT_OF_RANGE,
                           "part %u: its end after %" PRIu64 " bytes; it has %" PRIu64, writer->number, part->confirmed,
                           limit);
    size_t len = vmx_digest_peek(&part->digest, found);
    if (len == 0)
        return vmxd_no_memory(status);
    if (digest->len != len)
        return vmxd_invalid(status, "part %u: a digest of %zu bytes; %s has %zu", writer->number, digest->len,
                            vmx_digest_name(upload->algorithm), len);
    part->complete = memcmp(found, digest->data, len) == 0;
    if (part->complete)
        return upload->table_fd < 0 || vmxd_part_save(part, upload->table_fd, writer->number, status);
    if (vmxd_part_restart(part) && upload->table_fd >= 0)
        vmxd_part_save(part, upload->table_fd, writer->number, status);
    return vmxd_refuse(status, GRPC_STATUS_DATA_LOSS,
                       "part %u: its %s digest is not that of the bytes that came; send the part again from 0",
                       writer->number, vmx_digest_name(upload->algorithm));
}

bool
vmxd_part_writer_end(vmxd_part_writer *writer, const ProtobufCBinaryData *digest, vmxd_status *status)
{
    vmxd_part *part = vmxd_upload_part(writer->upload, writer->number, false);
    pthread_mutex_lock(&part->lock);
    bool done = may_write(writer, part, status) && finish(writer, part, digest, status);
    pthread_mutex_unlock(&part->lock);
    return done;
}

void
vmxd_part_writer_describe(const vmxd_part_writer *writer, Repository__Part *out, uint8_t digest[VMX_DIGEST_MAX_BYTES])
{
    vmxd_part *part = vmxd_upload_part(writer->upload, writer->number, false);
    pthread_mutex_lock(&part->lock);
    vmxd_part_describe(part, writer->number, out, digest);
    pthread_mutex_unlock(&part->lock);
}
