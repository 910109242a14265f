/*
 * Failed records as JSON lines, one record a line, in the form that `vecmux load` and `vecmux upsert` read, with the
 * reason in a member "error": {"code", "outcome", "sequence", "message"}.
 */
#include <inttypes.h>

#include "core/number.h"
#include "wire/reply_decoder.h"
#include "wire/struct_json.h"
#include "writer/writer.h"

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
append_error(vmx_buffer *json, const vmx_error *error, uint64_t sequence)
{
    vmx_buffer_printf(json, ",\"error\":{\"code\":\"%s\",\"outcome\":\"%s\",\"sequence\":%" PRIu64 ",\"message\":",
                      vmx_status_name(error->code), outcome_name(error->outcome), sequence);
    vmx_json_append_string(json, vmx_str_from(error->message));
    vmx_buffer_append_text(json, "}}\n");
}

static void
append_record(vmx_buffer *json, const vmx_match *record)
{
    vmx_buffer_append_text(json, "{\"id\":");
    vmx_json_append_string(json, record->id);
    if (record->values.len > 0) {
        vmx_buffer_append_text(json, ",\"values\":");
        append_floats(json, record->values.ptr, record->values.len);
    }
    if (record->sparse.len > 0)
        append_sparse(json, record->sparse);
    if (record->metadata_json.ptr != NULL) {
        vmx_buffer_append_text(json, ",\"metadata\":");
        vmx_buffer_append(json, record->metadata_json.ptr, record->metadata_json.len);
    }
}

static bool
decode(const vmx_send *send, size_t i, vmx_arena *scratch, vmx_match *record)
{
    vmx_row_view view = vmx_batch_view(send->batch, i);
    return send->writer->codec->read_record(&view, scratch, record);
}

bool
vmx_dead_letter_line(const vmx_send *send, size_t i, vmx_buffer *json)
{
    vmx_arena scratch = {0};
    vmx_match record = {0};
    size_t before = json->len;
    bool made = decode(send, i, &scratch, &record);
    if (made) {
        append_record(json, &record);
        append_error(json, &send->op.error, send->batch->first + i);
        made = !json->failed;
    }
    if (!made)
        json->len = before;
    vmx_arena_reset(&scratch);
    return made;
}
