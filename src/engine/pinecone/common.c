#include <string.h>

#include "core/error.h"
#include "core/number.h"
#include "engine/filter.h"
#include "engine/pinecone/pinecone.h"
#include "wire/struct_json.h"

/* --- requests ------------------------------------------------------------------------------------------------------ */

char **
vmx_pinecone_texts(vmx_arena *scratch, const vmx_strs *strs)
{
    char **texts = vmx_arena_calloc(scratch, strs->count + 1, sizeof *texts);
    for (size_t i = 0; texts != NULL && i < strs->count; i++) {
        texts[i] = vmx_exchange_text(scratch, strs->ptr[i]);
        if (texts[i] == NULL)
            return NULL;
    }
    return texts;
}

vmx_status
vmx_pinecone_sparse(vmx_arena *scratch, vmx_sparse sparse, Pinecone__SparseValues **out, vmx_error *error)
{
    *out = NULL;
    if (sparse.len == 0)
        return VMX_OK;
    Pinecone__SparseValues *values = vmx_arena_alloc(scratch, sizeof *values);
    if (values == NULL)
        return vmx_error_no_memory(error);
    pinecone__sparse_values__init(values);
    values->n_indices = values->n_values = sparse.len;
    values->indices = (uint32_t *)(uintptr_t)sparse.indices;
    values->values = (float *)(uintptr_t)sparse.values;
    *out = values;
    return VMX_OK;
}

vmx_status
vmx_pinecone_struct(vmx_arena *scratch, vmx_str json, const char *what, Google__Protobuf__Struct **out,
                    vmx_error *error)
{
    *out = NULL;
    return json.len == 0 ? VMX_OK : vmx_struct_from_json(scratch, json, what, out, error);
}

vmx_status
vmx_pinecone_filter(vmx_arena *scratch, vmx_str json, const char *what, Google__Protobuf__Struct **out,
                    vmx_error *error)
{
    const vmx_filter *filter;
    return vmx_filter_parse(scratch, json, what, &filter, out, error);
}

/* --- replies ------------------------------------------------------------------------------------------------------- */

static bool
read_lsn(const vmx_header *header, const char *name, uint64_t *lsn)
{
    int64_t value;
    bool found = header->key.len == strlen(name) && memcmp(header->key.ptr, name, header->key.len) == 0 &&
                 vmx_integer_parse(header->value, false, &value) && value >= 0;
    if (found)
        *lsn = (uint64_t)value;
    return found;
}

void
vmx_pinecone_note_lsn(vmx_machine *machine, const vmx_reply *reply)
{
    for (size_t i = 0; i < reply->header_count; i++)
        if (read_lsn(&reply->headers[i], "x-pinecone-request-lsn", &machine->result->lsn) ||
            read_lsn(&reply->headers[i], "x-pinecone-max-indexed-lsn", &machine->result->lsn))
            machine->result->has_lsn = true;
}

void
vmx_pinecone_note_usage(vmx_machine *machine, const Pinecone__Usage *usage)
{
    if (usage == NULL)
        return;
    vmx_result *result = machine->result;
    if (usage->_read_units_case == PINECONE__USAGE___READ_UNITS_READ_UNITS) {
        result->has_read_units = true;
        result->read_units += usage->read_units;
    }
    if (usage->_egress_bytes_case == PINECONE__USAGE___EGRESS_BYTES_EGRESS_BYTES) {
        result->has_egress_bytes = true;
        result->egress_bytes += usage->egress_bytes;
    }
}

void
vmx_pinecone_note_page(vmx_machine *machine, const Pinecone__Pagination *pagination)
{
    bool more = pagination != NULL && pagination->next[0] != '\0';
    machine->result->next_token = more ? vmx_str_from(pagination->next) : (vmx_str){NULL, 0};
}

vmx_str
vmx_pinecone_str(const char *text)
{
    return text == NULL ? VMX_STR("") : vmx_str_from(text);
}

static void
note_decoded(vmx_result *result, const vmx_decoded *decoded)
{
    result->matches = decoded->matches;
    result->match_count = decoded->match_count;
    result->next_token = decoded->next_token;
    result->has_read_units = decoded->has_read_units;
    result->read_units = decoded->read_units;
    result->has_egress_bytes = decoded->has_egress_bytes;
    result->egress_bytes = decoded->egress_bytes;
}

void
vmx_pinecone_decode(vmx_machine *machine, vmx_message *message, vmx_reply_kind kind, const vmx_reply *reply,
                    vmx_step *next)
{
    static const ProtobufCMessageDescriptor *const descriptors[] = {
        [VMX_REPLY_QUERY] = &pinecone__query_response__descriptor,
        [VMX_REPLY_FETCH] = &pinecone__fetch_response__descriptor,
        [VMX_REPLY_FETCH_BY_METADATA] = &pinecone__fetch_by_metadata_response__descriptor,
    };
    vmx_decoded decoded;
    vmx_decoder decoder = {
        .arena = machine->arena, .max_bytes = machine->engine->limits.reply_bytes, .may_move = message->writable};
    vmx_message *kept = &machine->kept; /* the result points into it */
    vmx_message_move(kept, message);
    vmx_exchange_done(machine, next);
    switch (vmx_reply_decode(&decoder, kind, kept->slices, kept->count, &decoded)) {
    case VMX_OK:
        note_decoded(machine->result, &decoded);
        vmx_pinecone_note_lsn(machine, reply);
        break;
    case VMX_ERR_TOO_LARGE:
        vmx_exchange_refuse_large(machine, kept->size_bytes, decoder.needed_bytes);
        break;
    case VMX_ERR_PROTOCOL:
        vmx_exchange_explain(machine, kept, descriptors[kind]);
        break;
    default:
        vmx_error_no_memory(machine->error);
    }
}
