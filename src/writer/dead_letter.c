/*
 * Failed records as JSON lines, one record a line, in the form that `vecmux load` and `vecmux upsert` read, with the
 * reason in a member "error": {"code", "message", "outcome"}. Lines are appended with one write per send (O_APPEND).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/error.h"
#include "core/number.h"
#include "wire/reply_decoder.h"
#include "wire/struct_bytes.h"
#include "wire/struct_json.h"
#include "writer/writer.h"

vmx_status
vmx_dead_letter_open(vmx_str path, int *descriptor, vmx_error *error)
{
    *descriptor = -1;
    if (path.len == 0)
        return VMX_OK;
    char *name = vmx_str_copy(path);
    if (name == NULL)
        return vmx_error_no_memory(error);
    *descriptor = open(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    int reason = errno;
    vmx_dealloc(name);
    if (*descriptor >= 0)
        return VMX_OK;
    return vmx_error_set(error, VMX_ERR_IO, "dead letter file \"%.*s\": %s", (int)path.len, path.ptr, strerror(reason));
}

static void
append_floats(vmx_buffer *json, const float *values, size_t count)
{
    vmx_buffer_append_byte(json, '[');
    for (size_t i = 0; i < count; i++) {
        char text[VMX_NUMBER_SIZE];
        if (i > 0)
            vmx_buffer_append_byte(json, ',');
        vmx_buffer_append(json, text, vmx_float_format(values[i], text));
    }
    vmx_buffer_append_byte(json, ']');
}

static void
append_sparse(vmx_buffer *json, vmx_sparse sparse)
{
    vmx_buffer_append_text(json, ",\"sparse\":{\"indices\":[");
    for (size_t i = 0; i < sparse.len; i++)
        vmx_buffer_printf(json, "%s%u", i > 0 ? "," : "", sparse.indices[i]);
    vmx_buffer_append_text(json, "],\"values\":");
    append_floats(json, sparse.values, sparse.len);
    vmx_buffer_append_byte(json, '}');
}

static const char *
outcome_name(vmx_outcome outcome)
{
    static const char *const names[] = {"not sent", "rejected", "unknown", "done"};
    return names[outcome];
}

static void
append_error(vmx_buffer *json, const vmx_error *error)
{
    vmx_buffer_printf(json, ",\"error\":{\"code\":\"%s\",\"outcome\":\"%s\",\"message\":", vmx_status_name(error->code),
                      outcome_name(error->outcome));
    vmx_json_append_string(json, vmx_str_from(error->message));
    vmx_buffer_append_text(json, "}}\n");
}

static void
append_record(vmx_buffer *json, const vmx_match *record, const vmx_error *error)
{
    vmx_buffer_append_text(json, "{\"id\":");
    vmx_json_append_string(json, record->id);
    if (record->values.len > 0) {
        vmx_buffer_append_text(json, ",\"values\":");
        append_floats(json, record->values.ptr, record->values.len);
    }
    if (record->sparse.len > 0)
        append_sparse(json, record->sparse);
    if (record->metadata.ptr != NULL) {
        vmx_buffer_append_text(json, ",\"metadata\":");
        vmx_struct_bytes_to_json(record->metadata, json);
    }
    append_error(json, error);
}

/* One record's line: its bytes are those of a request that holds it alone. */
static bool
append_line(vmx_buffer *json, const vmx_send *send, size_t i)
{
    vmx_arena scratch = {0};
    vmx_match record = {0};
    size_t size = send->batch->entries[i].size;
    uint8_t *bytes = vmx_arena_alloc(&scratch, size);
    bool read = bytes != NULL;
    if (read) {
        vmx_batch_copy_record(send->batch, i, bytes);
        read = vmx_vector_field_decode((vmx_str){(char *)bytes, size}, &scratch, &record);
    }
    if (read)
        append_record(json, &record, &send->op.error);
    vmx_arena_reset(&scratch);
    return read;
}

static bool
write_all(int descriptor, const uint8_t *data, size_t len)
{
    while (len > 0) {
        ssize_t written = write(descriptor, data, len);
        if (written < 0 && errno != EINTR)
            return false;
        data += written > 0 ? written : 0;
        len -= written > 0 ? (size_t)written : 0;
    }
    return true;
}

bool
vmx_dead_letter_write(vmx_send *send)
{
    vmx_buffer json = {0};
    bool written = true;
    for (size_t i = send->from; i < send->to && written; i++)
        written = append_line(&json, send, i);
    written = written && !json.failed && write_all(send->writer->dead_letters, json.data, json.len);
    if (!written) {
        vmx_error why = send->op.error;
        vmx_error_set(&send->op.error, why.code, "%s (and the dead letter file could not be written: %s)", why.message,
                      json.failed ? "out of memory" : strerror(errno));
        send->op.error.grpc_code = why.grpc_code;
        send->op.error.outcome = why.outcome;
        send->op.error.attempts = why.attempts;
    }
    vmx_buffer_free(&json);
    return written;
}
