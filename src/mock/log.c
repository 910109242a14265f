#include "mock/log.h"

#include <string.h>

#include "core/alloc.h"
#include "core/sized.h"
#include "mock/base64.h"

bool
vmx_mock_str_equal(vmx_str a, vmx_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* --- entries ------------------------------------------------------------------------------------------------------- */

void
vmx_mock_record_init(vmx_mock_record *record, size_t size)
{
    vmx_sized_init(record, size);
}

vmx_str
vmx_mock_record_header(const vmx_mock_record *record, vmx_str key)
{
    for (size_t i = 0; i < record->header_count; i++)
        if (vmx_mock_str_equal(record->headers[i].key, key))
            return record->headers[i].value;
    return (vmx_str){NULL, 0};
}

vmx_mock_entry *
vmx_mock_entry_new(void)
{
    vmx_mock_entry *entry = vmx_calloc(1, sizeof *entry);
    if (entry == NULL)
        return NULL;
    entry->refs = 1;
    entry->record = (vmx_mock_record){.size = sizeof entry->record, .complete_us = -1};
    return entry;
}

void
vmx_mock_entry_unref(vmx_mock_entry *entry)
{
    if (entry == NULL)
        return;
    if (--entry->refs == 1 && entry->recorded && !entry->kept)
        vmx_buffer_free(&entry->bytes);
    if (entry->refs > 0)
        return;
    vmx_arena_reset(&entry->arena);
    vmx_buffer_free(&entry->bytes);
    vmx_dealloc(entry);
}

static bool
make_room(vmx_mock_entry *entry)
{
    size_t count = entry->record.header_count;
    if (count < entry->header_room)
        return true;
    size_t room = entry->header_room > 0 ? 2 * entry->header_room : 16;
    vmx_header *headers = vmx_arena_calloc(&entry->arena, room, sizeof *headers);
    if (headers == NULL)
        return false;
    if (count > 0)
        memcpy(headers, entry->headers, count * sizeof *headers);
    entry->record.headers = entry->headers = headers;
    entry->header_room = room;
    return true;
}

bool
vmx_mock_entry_add_header(vmx_mock_entry *entry, vmx_str key, vmx_str value)
{
    if (!make_room(entry))
        return false;
    vmx_header *header = &entry->headers[entry->record.header_count];
    header->key = vmx_arena_str(&entry->arena, key);
    header->value = (vmx_str){0};
    if (vmx_mock_is_binary(key))
        header->value = vmx_mock_base64_decode(&entry->arena, value);
    if (header->value.ptr == NULL)
        header->value = vmx_arena_str(&entry->arena, value);
    if (header->key.ptr == NULL || header->value.ptr == NULL)
        return false;
    entry->record.header_count++;
    return true;
}

/* A message is a compression byte, four bytes of length, and its bytes (gRPC over HTTP/2, "Length-Prefixed-Message"). */
static void
read_message(vmx_mock_entry *entry)
{
    vmx_mock_record *record = &entry->record;
    const uint8_t *bytes = entry->bytes.data;
    size_t len = entry->bytes.len, at = 0;
    record->message = (vmx_str){"", 0};
    record->body = (vmx_str){(const char *)bytes, len};
    record->message_count = 0;
    while (len - at >= VMX_MOCK_PREFIX_BYTES) {
        const uint8_t *p = bytes + at;
        size_t size = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
        size_t there = len - at - VMX_MOCK_PREFIX_BYTES;
        if (at == 0)
            record->message = (vmx_str){(const char *)p + VMX_MOCK_PREFIX_BYTES, size < there ? size : there};
        if (size > there)
            return;
        record->message_count++;
        at += VMX_MOCK_PREFIX_BYTES + size;
    }
}

/* --- the log ------------------------------------------------------------------------------------------------------- */

static bool
log_make_room(vmx_mock_log *log)
{
    if (log->count < log->room)
        return true;
    size_t room = log->room > 0 ? 2 * log->room : 64;
    vmx_mock_entry **entries = vmx_realloc(log->entries, room * sizeof *entries);
    if (entries == NULL)
        return false;
    log->entries = entries;
    log->room = room;
    return true;
}

void
vmx_mock_log_add(vmx_mock_log *log, vmx_mock_entry *entry)
{
    log->total++;
    if (log->count >= log->max_entries || !log_make_room(log))
        return;
    entry->refs++;
    entry->recorded = true;
    log->entries[log->count++] = entry;
}

void
vmx_mock_log_complete(vmx_mock_log *log, vmx_mock_entry *entry)
{
    read_message(entry);
    entry->kept = entry->recorded && log->kept_bytes + entry->bytes.len <= log->max_bytes;
    if (entry->kept)
        log->kept_bytes += entry->bytes.len;
}

void
vmx_mock_log_clear(vmx_mock_log *log)
{
    for (size_t i = 0; i < log->count; i++)
        vmx_mock_entry_unref(log->entries[i]);
    vmx_dealloc(log->entries);
    log->entries = NULL;
    log->count = log->room = log->total = log->kept_bytes = 0;
    vmx_mock_log_clear_expectations(log);
}

size_t
vmx_mock_log_count(const vmx_mock_log *log, vmx_str method)
{
    if (method.len == 0)
        return log->total;
    size_t count = 0;
    for (size_t i = 0; i < log->count; i++)
        count += vmx_mock_str_equal(log->entries[i]->record.method, method);
    return count;
}

static const vmx_mock_entry *
find(const vmx_mock_log *log, vmx_str method, size_t i)
{
    if (method.len == 0)
        return i < log->count ? log->entries[i] : NULL;
    for (size_t at = 0; at < log->count; at++)
        if (vmx_mock_str_equal(log->entries[at]->record.method, method) && i-- == 0)
            return log->entries[at];
    return NULL;
}

bool
vmx_mock_log_at(const vmx_mock_log *log, vmx_str method, size_t i, vmx_mock_record *record)
{
    const vmx_mock_entry *entry = find(log, method, i);
    if (entry == NULL)
        return false;
    *record = entry->record;
    if (!entry->kept)
        record->message = record->body = (vmx_str){"", 0};
    return true;
}
