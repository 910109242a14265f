/*
 * ensure: a collection with an id, the vectors, and a JSON column for metadata; its index, which is where Milvus keeps
 * the metric; and loaded. A collection that is there is verified, and finished where an ensure was cut short.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "engine/check.h"
#include "engine/milvus/load.h"
#include "engine/milvus/milvus.h"

#define ID_MAX_BYTES  "512"
#define MAX_DIMENSION 32768
#define MAX_FIELDS    4
#define NUMBER_SIZE   24

typedef struct ensuring {
    vmx_milvus_op op; /* first */
    vmx_milvus_options options;
    uint32_t dimension;
    bool sparse;
    bool integer_ids;
    const char *metric; /* Milvus's word */
    bool created;
    bool dense_indexed, sparse_indexed;
    vmx_error why; /* the collection is taken away again */
} ensuring;

static void
make_indexes(vmx_machine *machine, vmx_step *step);

/* --- indexes, then loading ----------------------------------------------------------------------------------------- */

static void
on_index_made(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    vmx_message_clear(message);
    make_indexes(machine, next);
}

static void
on_undone(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    const ensuring *state = machine->state;
    vmx_message_clear(message);
    vmx_milvus_forget(machine->engine->state, machine->collection);
    *machine->error = state->why;
    next->kind = VMX_STEP_DONE;
}

/* A collection of ours that cannot be finished is taken away again. */
static bool
on_no_index_made(vmx_machine *machine, vmx_step *next)
{
    ensuring *state = machine->state;
    if (!state->created || machine->error->code != VMX_ERR_REJECTED)
        return false;
    state->why = *machine->error;
    vmx_error_clear(machine->error);
    Milvus__DropCollectionRequest request = MILVUS__DROP_COLLECTION_REQUEST__INIT;
    request.collection_name = vmx_milvus_collection(machine);
    machine->on_reply = on_undone;
    machine->on_failure = NULL;
    if (vmx_milvus_call_plain(machine, VMX_MILVUS_METHOD("DropCollection"), &request.base, next) != VMX_OK)
        next->kind = VMX_STEP_DONE;
    return true;
}

/* The next index that is missing; when none is, the collection is loaded. */
static void
make_indexes(vmx_machine *machine, vmx_step *step)
{
    ensuring *state = machine->state;
    const vmx_milvus_schema *schema = &state->op.schema;
    bool dense = schema->vector[0] != '\0' && !state->dense_indexed;
    bool sparse = !dense && schema->sparse[0] != '\0' && !state->sparse_indexed;
    if (!dense && !sparse) {
        vmx_milvus_load(machine, step);
        return;
    }
    *(dense ? &state->dense_indexed : &state->sparse_indexed) = true;
    machine->on_reply = on_index_made;
    machine->on_failure = on_no_index_made;
    if (vmx_milvus_make_index(machine, dense ? schema->vector : schema->sparse, sparse, state->metric, &state->options,
                              step) != VMX_OK)
        step->kind = VMX_STEP_DONE;
}

/* --- what is there ------------------------------------------------------------------------------------------------- */

static vmx_status
check_metric(const ensuring *state, const vmx_machine *machine, const Milvus__IndexDescription *index)
{
    const char *found = vmx_milvus_index_param(index, "metric_type");
    if (index == NULL || strcmp(found, state->metric) == 0)
        return VMX_OK;
    const char *theirs = vmx_milvus_our_metric(found), *ours = vmx_milvus_our_metric(state->metric);
    return vmx_error_set(machine->error, VMX_ERR_ALREADY_EXISTS,
                         "the collection \"%s\" has the metric %s, and %s is wanted; drop it, or take another name",
                         machine->collection.ptr, theirs != NULL ? theirs : found, ours);
}

static void
on_indexes(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    ensuring *state = machine->state;
    const vmx_milvus_schema *schema = &state->op.schema;
    const Milvus__DescribeIndexResponse *response =
        vmx_exchange_unpack(machine, message, &milvus__describe_index_response__descriptor, next);
    if (response == NULL)
        return;
    const Milvus__IndexDescription *dense = vmx_milvus_find_index(response, schema->vector);
    state->dense_indexed = dense != NULL;
    state->sparse_indexed = vmx_milvus_find_index(response, schema->sparse) != NULL;
    if (dense == NULL || check_metric(state, machine, dense) == VMX_OK)
        make_indexes(machine, next);
}

static bool
on_no_index(vmx_machine *machine, vmx_step *next)
{
    if (machine->error->code != VMX_ERR_NOT_FOUND)
        return false;
    vmx_error_clear(machine->error);
    make_indexes(machine, next);
    return true;
}

static vmx_status
check_schema(const ensuring *state, const vmx_machine *machine)
{
    const vmx_milvus_schema *schema = &state->op.schema;
    if (schema->dimension != state->dimension)
        return vmx_error_set(
            machine->error, VMX_ERR_ALREADY_EXISTS,
            "the collection \"%s\" has %u dimensions, and %u are wanted; drop it, or take another name",
            machine->collection.ptr, schema->dimension, state->dimension);
    if (schema->integer_ids != state->integer_ids)
        return vmx_error_set(machine->error, VMX_ERR_ALREADY_EXISTS,
                             "the collection \"%s\" has ids that are %s, and %s are wanted; drop it, or take another "
                             "name",
                             machine->collection.ptr, schema->integer_ids ? "integers" : "texts",
                             state->integer_ids ? "integers" : "texts");
    if (state->sparse && schema->sparse[0] == '\0')
        return vmx_error_set(machine->error, VMX_ERR_ALREADY_EXISTS,
                             "the collection \"%s\" has no sparse vectors, which are wanted; drop it, or take another "
                             "name",
                             machine->collection.ptr);
    return VMX_OK;
}

/* The schema has come: of a collection that was there, or of ours. */
static vmx_status
go(vmx_machine *machine, vmx_step *step)
{
    const ensuring *state = machine->state;
    vmx_status status = check_schema(state, machine);
    if (status != VMX_OK)
        return status;
    machine->on_reply = on_indexes;
    machine->on_failure = on_no_index;
    return vmx_milvus_ask_index(machine, step);
}

/* --- creating ------------------------------------------------------------------------------------------------------ */

typedef struct fields {
    Milvus__FieldSchema all[MAX_FIELDS];
    Milvus__FieldSchema *list[MAX_FIELDS];
    size_t count;
    Milvus__KeyValuePair params[2], *param_lists[2];
    char dimension[NUMBER_SIZE], id_bytes[NUMBER_SIZE];
} fields;

static Milvus__FieldSchema *
add_field(fields *f, const char *given, const char *name, int32_t type)
{
    Milvus__FieldSchema *field = &f->all[f->count];
    milvus__field_schema__init(field);
    field->name = (char *)(uintptr_t)(given != NULL ? given : name);
    field->data_type = type;
    f->list[f->count++] = field;
    return field;
}

static void
add_param(fields *f, Milvus__FieldSchema *field, size_t i, const char *key, char *value)
{
    milvus__key_value_pair__init(&f->params[i]);
    f->params[i].key = (char *)(uintptr_t)key;
    f->params[i].value = value;
    f->param_lists[i] = &f->params[i];
    field->type_params = &f->param_lists[i];
    field->n_type_params = 1;
}

static void
fill_fields(const ensuring *state, fields *f)
{
    const vmx_milvus_options *options = &state->options;
    Milvus__FieldSchema *id =
        add_field(f, options->id_field, "id", state->integer_ids ? VMX_MILVUS_INT64 : VMX_MILVUS_VARCHAR);
    id->is_primary_key = true;
    snprintf(f->id_bytes, sizeof f->id_bytes, "%" PRIu32, options->id_bytes);
    if (options->id_bytes == 0)
        strcpy(f->id_bytes, ID_MAX_BYTES);
    if (!state->integer_ids)
        add_param(f, id, 0, "max_length", f->id_bytes);
    snprintf(f->dimension, sizeof f->dimension, "%" PRIu32, state->dimension);
    if (state->dimension > 0)
        add_param(f, add_field(f, options->vector_field, "vector", VMX_MILVUS_FLOAT_VECTOR), 1, "dim", f->dimension);
    if (state->sparse)
        add_field(f, options->sparse_field, "sparse", VMX_MILVUS_SPARSE_VECTOR);
    add_field(f, options->metadata_field, "metadata", VMX_MILVUS_JSON);
}

static vmx_status
pack_schema(vmx_machine *machine, const ensuring *state, ProtobufCBinaryData *packed)
{
    fields f = {.count = 0};
    Milvus__CollectionSchema schema = MILVUS__COLLECTION_SCHEMA__INIT;
    fill_fields(state, &f);
    schema.name = vmx_milvus_collection(machine);
    schema.fields = f.list;
    schema.n_fields = f.count;
    packed->len = milvus__collection_schema__get_packed_size(&schema);
    packed->data = vmx_arena_alloc(machine->arena, packed->len);
    if (packed->data == NULL)
        return vmx_error_no_memory(machine->error);
    milvus__collection_schema__pack(&schema, packed->data);
    return VMX_OK;
}

static void
on_created(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    ensuring *state = machine->state;
    vmx_message_clear(message);
    state->op.makes_partition = true;
    if (vmx_milvus_begin(machine, &state->op, go, next) != VMX_OK)
        next->kind = VMX_STEP_DONE;
}

/* The collection is not there: makes it. */
static bool
on_missing(vmx_machine *machine, vmx_step *next)
{
    ensuring *state = machine->state;
    if (machine->error->code != VMX_ERR_NOT_FOUND || state->created)
        return false;
    vmx_error_clear(machine->error);
    state->created = true;
    Milvus__CreateCollectionRequest request = MILVUS__CREATE_COLLECTION_REQUEST__INIT;
    request.collection_name = vmx_milvus_collection(machine);
    request.shards_num = state->options.shards > 0 ? (int32_t)state->options.shards : 1;
    request.consistency_level = VMX_MILVUS_SESSION;
    machine->on_reply = on_created;
    machine->on_failure = NULL;
    if (pack_schema(machine, state, &request.schema) != VMX_OK ||
        vmx_milvus_call_plain(machine, VMX_MILVUS_METHOD("CreateCollection"), &request.base, next) != VMX_OK)
        next->kind = VMX_STEP_DONE;
    return true;
}

static void
on_found(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    on_created(machine, message, reply, next); /* the schema is asked for by the common beginning, with the version */
}

vmx_status
vmx_milvus_ensure(vmx_machine *machine, const vmx_index_spec *spec, vmx_step *first)
{
    ensuring *state = vmx_arena_calloc(machine->arena, 1, sizeof *state);
    if (state == NULL)
        return vmx_error_no_memory(machine->error);
    state->dimension = spec->dimension;
    state->sparse = spec->sparse;
    state->integer_ids = spec->id_type == VMX_ID_INTEGER;
    state->metric = vmx_milvus_metric(spec->metric);
    if (spec->dimension > MAX_DIMENSION)
        return vmx_error_set(machine->error, VMX_ERR_INVALID, "ensure: %u dimensions; Milvus takes at most %d",
                             spec->dimension, MAX_DIMENSION);
    vmx_status status = vmx_milvus_options_parse(machine->arena, spec->options, true, "ensure: options",
                                                 &state->options, machine->error);
    if (status != VMX_OK)
        return status;
    vmx_milvus_forget(machine->engine->state, machine->collection);
    Milvus__DescribeCollectionRequest request = MILVUS__DESCRIBE_COLLECTION_REQUEST__INIT;
    request.collection_name = vmx_milvus_collection(machine);
    machine->state = state;
    machine->on_reply = on_found;
    machine->on_failure = on_missing;
    return vmx_milvus_call(machine, VMX_MILVUS_METHOD("DescribeCollection"), &request.base, false, true, first);
}
