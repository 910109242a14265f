#include "server/repository/part.h"

#include <string.h>

#include "core/alloc.h"
#include "server/journal_frame.h"

#define READ_BYTES (256 << 10)

vmxd_part *
vmxd_part_new(vmx_digest_algorithm algorithm)
{
    vmxd_part *part = vmx_calloc(1, sizeof *part);
    if (!part)
        return NULL;
    pthread_mutex_init(&part->lock, NULL);
    if (vmx_digest_begin(&part->digest, algorithm))
        return part;
    vmxd_part_free(part);
    return NULL;
}

void
vmxd_part_free(vmxd_part *part)
{
    if (!part)
        return;
    vmx_digest_free(&part->digest);
    pthread_mutex_destroy(&part->lock);
    vmx_dealloc(part);
}

bool
vmxd_part_restart(vmxd_part *part)
{
    part->confirmed = 0;
    part->crc32c = 0;
    part->complete = false;
    return vmx_digest_begin(&part->digest, part->digest.algorithm);
}

void
vmxd_part_confirm(vmxd_part *part, vmx_str data, uint32_t crc32c)
{
    part->confirmed += data.len;
    part->crc32c = crc32c;
    if (part->digest.algorithm == VMX_DIGEST_CRC32C)
        part->digest.crc32c = crc32c;
    else
        vmx_digest_update(&part->digest, data.ptr, data.len);
}

void
vmxd_part_describe(const vmxd_part *part, uint32_t number, Repository__Part *out, uint8_t digest[VMX_DIGEST_MAX_BYTES])
{
    repository__part__init(out);
    out->part_number = number;
    out->confirmed_bytes = part->confirmed;
    out->complete = part->complete;
    out->digest = (ProtobufCBinaryData){vmx_digest_peek(&part->digest, digest), digest};
}

bool
vmxd_part_save(const vmxd_part *part, int fd, uint32_t number, vmxd_status *status)
{
    uint8_t record[VMXD_PART_RECORD_BYTES] = {0};
    vmxd_put_u64(record, part->confirmed);
    vmxd_put_u32(record + 8, part->crc32c);
    vmxd_put_u32(record + 12, part->complete);
    if (part->complete)
        vmx_digest_peek(&part->digest, record + 16);
    vmxd_put_u32(record + 60, vmx_crc32c(0, record, 60));
    return vmxd_disk_write(fd, record, sizeof record, (uint64_t)number * sizeof record, "parts", status);
}

/* The confirmed bytes, read again. */
static bool
read_confirmed(vmxd_part *part, uint64_t confirmed, int data_fd, uint64_t offset, char *buffer)
{
    vmxd_status ignored;
    while (part->confirmed < confirmed) {
        uint64_t left = confirmed - part->confirmed;
        size_t len = left < READ_BYTES ? (size_t)left : READ_BYTES;
        if (!vmxd_disk_read(data_fd, buffer, len, offset + part->confirmed, "data", &ignored))
            return false;
        vmxd_part_confirm(part, (vmx_str){buffer, len}, vmx_crc32c(part->crc32c, buffer, len));
    }
    return true;
}

bool
vmxd_part_load(vmxd_part *part, const uint8_t record[VMXD_PART_RECORD_BYTES], int data_fd, uint64_t offset,
               uint64_t max_bytes)
{
    uint64_t confirmed = vmxd_get_u64(record);
    uint8_t digest[VMX_DIGEST_MAX_BYTES];
    if (vmxd_get_u32(record + 60) != vmx_crc32c(0, record, 60) || confirmed > max_bytes)
        return true;
    char *buffer = vmx_alloc(READ_BYTES);
    if (!buffer)
        return false;
    bool sound = read_confirmed(part, confirmed, data_fd, offset, buffer) && part->crc32c == vmxd_get_u32(record + 8);
    part->complete = sound && vmxd_get_u32(record + 12) != 0;
    if (part->complete)
        sound = memcmp(digest, record + 16, vmx_digest_peek(&part->digest, digest)) == 0;
    vmx_dealloc(buffer);
    return sound || vmxd_part_restart(part);
}
