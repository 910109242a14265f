#include "server/journal_frame.h"

#include <endian.h>
#include <string.h>

#include "core/digest.h"

#define FRAME_MAGIC 0x4d524656u /* "VFRM" */

static const char file_magic[8] = "vecmuxd\n";

void
vmxd_put_u32(uint8_t *out, uint32_t value)
{
    value = htole32(value);
    memcpy(out, &value, sizeof value);
}

void
vmxd_put_u64(uint8_t *out, uint64_t value)
{
    value = htole64(value);
    memcpy(out, &value, sizeof value);
}

uint32_t
vmxd_get_u32(const void *in)
{
    uint32_t value;
    memcpy(&value, in, sizeof value);
    return le32toh(value);
}

uint64_t
vmxd_get_u64(const void *in)
{
    uint64_t value;
    memcpy(&value, in, sizeof value);
    return le64toh(value);
}

uint32_t
vmxd_checksum(uint32_t sum, const void *data, size_t len)
{
    return vmx_crc32c(sum, data, len);
}

void
vmxd_file_header_write(const vmxd_store_options *config, uint8_t out[VMXD_FILE_HEADER_BYTES])
{
    memset(out, 0, VMXD_FILE_HEADER_BYTES);
    memcpy(out, file_magic, sizeof file_magic);
    vmxd_put_u32(out + 8, VMXD_JOURNAL_VERSION);
    vmxd_put_u32(out + 12, config->metric);
    vmxd_put_u32(out + 16, config->sparse);
    vmxd_put_u32(out + 28, vmxd_checksum(0, out, 28));
}

bool
vmxd_file_header_read(const uint8_t in[VMXD_FILE_HEADER_BYTES], const char *path, vmxd_store_options *config,
                      vmxd_status *status)
{
    uint32_t version = vmxd_get_u32(in + 8), metric = vmxd_get_u32(in + 12), sparse = vmxd_get_u32(in + 16);
    if (memcmp(in, file_magic, sizeof file_magic) != 0)
        return vmxd_invalid(status, "%.256s: not a log of vecmuxd; give another --data directory", path);
    if (vmxd_get_u32(in + 28) != vmxd_checksum(0, in, 28))
        return vmxd_invalid(status,
                            "%.256s: offset 0: the header's checksum is wrong; restore the file from a copy, or give "
                            "another --data directory",
                            path);
    if (version != VMXD_JOURNAL_VERSION)
        return vmxd_invalid(status, "%.256s: format version %u; this vecmuxd reads version %d", path, version,
                            VMXD_JOURNAL_VERSION);
    if (metric > VMXD_DOTPRODUCT || sparse > 1 || (sparse && metric != VMXD_DOTPRODUCT))
        return vmxd_invalid(status, "%.256s: offset 12: metric %u of vector type %u is not known", path, metric,
                            sparse);
    config->metric = (vmxd_metric)metric;
    config->sparse = sparse != 0;
    return true;
}

void
vmxd_frame_write(const vmxd_frame *frame, uint64_t offset, uint8_t out[VMXD_FRAME_HEADER_BYTES])
{
    vmxd_put_u32(out, FRAME_MAGIC);
    vmxd_put_u32(out + 4, frame->records);
    vmxd_put_u64(out + 8, offset);
    vmxd_put_u32(out + 16, frame->payload_bytes);
    vmxd_put_u32(out + 20, frame->payload_sum);
    vmxd_put_u32(out + 24, vmxd_checksum(0, out, 24));
}

bool
vmxd_frame_read(const uint8_t in[VMXD_FRAME_HEADER_BYTES], uint64_t offset, vmxd_frame *frame)
{
    *frame = (vmxd_frame){vmxd_get_u32(in + 4), vmxd_get_u32(in + 16), vmxd_get_u32(in + 20)};
    return vmxd_get_u32(in) == FRAME_MAGIC && vmxd_get_u64(in + 8) == offset &&
           vmxd_get_u32(in + 24) == vmxd_checksum(0, in, 24) && frame->payload_bytes <= VMXD_JOURNAL_MAX_PAYLOAD;
}

size_t
vmxd_frame_find(const uint8_t *bytes, size_t len, uint64_t offset)
{
    uint8_t magic[4];
    vmxd_frame frame;
    vmxd_put_u32(magic, FRAME_MAGIC);
    for (size_t at = 0; len - at >= VMXD_FRAME_HEADER_BYTES; at++) {
        const uint8_t *found = memchr(bytes + at, magic[0], len - at - VMXD_FRAME_HEADER_BYTES + 1);
        if (!found)
            return len;
        at = (size_t)(found - bytes);
        if (vmxd_frame_read(found, offset + at, &frame))
            return at;
    }
    return len;
}

void
vmxd_record_header_write(const vmxd_journal_record *record, uint8_t out[VMXD_RECORD_HEADER_BYTES])
{
    vmxd_put_u32(out, record->kind);
    vmxd_put_u32(out + 4, (uint32_t)record->body.len);
}

bool
vmxd_journal_record_next(vmx_str *payload, vmxd_journal_record *record)
{
    if (payload->len < VMXD_RECORD_HEADER_BYTES)
        return false;
    size_t len = vmxd_get_u32(payload->ptr + 4);
    if (len > payload->len - VMXD_RECORD_HEADER_BYTES)
        return false;
    record->kind = (vmxd_journal_kind)vmxd_get_u32(payload->ptr);
    record->body = (vmx_str){payload->ptr + VMXD_RECORD_HEADER_BYTES, len};
    payload->ptr += VMXD_RECORD_HEADER_BYTES + len;
    payload->len -= VMXD_RECORD_HEADER_BYTES + len;
    return true;
}
