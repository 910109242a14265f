#include <string.h>

#include "core/error.h"
#include "core/number.h"
#include "engine/pinecone/pinecone.h"
#include "wire/arena_allocator.h"
#include "wire/guard.h"
#include "wire/struct_json.h"

/* --- requests ------------------------------------------------------------------------------------------------------ */

vmx_status
vmx_pinecone_call(vmx_machine *machine, const char *method, const ProtobufCMessage *message, bool writes,
                  bool idempotent, vmx_step *step)
{
    uint8_t *data;
    size_t len = protobuf_c_message_get_packed_size(message);
    vmx_block *block = vmx_block_new(len, &data);
    if (block == NULL)
        return vmx_error_no_memory(machine->error);
    protobuf_c_message_pack(message, data);
    step->kind = VMX_STEP_CALL;
    step->request.method = method;
    step->request.writes = writes;
    step->request.idempotent = idempotent;
    vmx_message_init_one(&step->request.message, block, data, len);
    return VMX_OK;
}

char *
vmx_pinecone_text(vmx_arena *scratch, vmx_str text)
{
    return (char *)(uintptr_t)vmx_arena_str(scratch, text).ptr;
}

char **
vmx_pinecone_texts(vmx_arena *scratch, const vmx_strs *strs)
{
    char **texts = vmx_arena_calloc(scratch, strs->count + 1, sizeof *texts);
    for (size_t i = 0; texts != NULL && i < strs->count; i++) {
        texts[i] = vmx_pinecone_text(scratch, strs->ptr[i]);
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

/* --- replies ------------------------------------------------------------------------------------------------------- */

/* The reply's bytes in one piece, in the arena when they came in several; ptr is NULL when memory is out. */
static vmx_str
flatten(vmx_arena *arena, const vmx_message *message)
{
    if (message->count == 1)
        return (vmx_str){(const char *)message->slices[0].data, message->size_bytes};
    char *bytes = vmx_arena_alloc(arena, message->size_bytes);
    size_t at = 0;
    for (size_t i = 0; bytes != NULL && i < message->count; i++) {
        memcpy(bytes + at, message->slices[i].data, message->slices[i].len);
        at += message->slices[i].len;
    }
    return (vmx_str){bytes, message->size_bytes};
}

/* What comes from outside passes the guard; what it would become in memory has a bound. */
static vmx_status
check_reply(vmx_machine *machine, const ProtobufCMessageDescriptor *descriptor, vmx_str bytes)
{
    vmx_error why;
    size_t unpacked_bytes, max_bytes = machine->engine->limits.reply_bytes;
    if (vmx_guard_check(descriptor, (const uint8_t *)bytes.ptr, bytes.len, &unpacked_bytes, &why) != VMX_OK)
        return vmx_error_set(machine->error, VMX_ERR_PROTOCOL,
                             "the server's reply is not a valid %s: %s; is it a %s server?", descriptor->name,
                             why.message, machine->engine->vtable->name);
    if (unpacked_bytes > max_bytes)
        return vmx_error_set(machine->error, VMX_ERR_TOO_LARGE,
                             "the server's reply of %zu bytes needs %zu bytes unpacked; at most %zu are allowed (16 "
                             "times receive.limit.bytes)",
                             bytes.len, unpacked_bytes, max_bytes);
    return VMX_OK;
}

bool
vmx_pinecone_keep(vmx_machine *machine, vmx_message *message, const ProtobufCMessageDescriptor *descriptor,
                  vmx_str *bytes, vmx_step *next)
{
    *bytes = flatten(machine->arena, message);
    next->kind = VMX_STEP_DONE;
    if (bytes->ptr == NULL) {
        vmx_pinecone_no_memory(machine, next);
        return false;
    }
    if (check_reply(machine, descriptor, *bytes) != VMX_OK)
        return false;
    if (message->count == 1)
        vmx_message_move(&machine->kept, message);
    return true;
}

void *
vmx_pinecone_unpack(vmx_machine *machine, vmx_message *message, const ProtobufCMessageDescriptor *descriptor,
                    vmx_step *next)
{
    vmx_str bytes = flatten(machine->arena, message);
    if (bytes.ptr == NULL) {
        vmx_pinecone_no_memory(machine, next);
        return NULL;
    }
    next->kind = VMX_STEP_DONE;
    if (check_reply(machine, descriptor, bytes) != VMX_OK)
        return NULL;
    ProtobufCAllocator allocator = vmx_arena_allocator(machine->arena);
    void *unpacked = protobuf_c_message_unpack(descriptor, &allocator, bytes.len, (const uint8_t *)bytes.ptr);
    if (unpacked == NULL)
        vmx_pinecone_no_memory(machine, next);
    return unpacked;
}

void
vmx_pinecone_done(vmx_machine *machine, vmx_step *next)
{
    (void)machine; /* its error says VMX_OK since the call succeeded */
    next->kind = VMX_STEP_DONE;
}

void
vmx_pinecone_no_memory(vmx_machine *machine, vmx_step *next)
{
    vmx_error_no_memory(machine->error);
    next->kind = VMX_STEP_DONE;
}

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

void
vmx_pinecone_note_decoded(vmx_machine *machine, const vmx_decoded *decoded, const vmx_reply *reply, vmx_step *next)
{
    vmx_result *result = machine->result;
    result->matches = decoded->matches;
    result->match_count = decoded->match_count;
    result->next_token = decoded->next_token;
    result->has_read_units = decoded->has_read_units;
    result->read_units = decoded->read_units;
    result->has_egress_bytes = decoded->has_egress_bytes;
    result->egress_bytes = decoded->egress_bytes;
    vmx_pinecone_note_lsn(machine, reply);
    vmx_pinecone_done(machine, next);
}
