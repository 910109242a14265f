#include "engine/milvus/options.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "core/error.h"
#include "engine/milvus/schema.h"
#include "wire/struct_json.h"

#define MAX_NUMBER 65535

typedef enum word_kind { TEXT, OBJECT, NUMBER } word_kind;

typedef struct word {
    const char *name;
    word_kind kind;
    bool of_spec; /* only of a new collection */
    size_t offset;
} word;

#define WORD(row_name, row_kind, row_of_spec, member)                                                                  \
    {                                                                                                                  \
        .name = row_name, .kind = row_kind, .of_spec = row_of_spec, .offset = offsetof(vmx_milvus_options, member)     \
    }

static const word words[] = {
    WORD("index_type", TEXT, false, index_type),        WORD("params", OBJECT, false, params),
    WORD("metric_type", TEXT, false, metric_type),      WORD("id_field", TEXT, true, id_field),
    WORD("vector_field", TEXT, true, vector_field),     WORD("sparse_field", TEXT, true, sparse_field),
    WORD("metadata_field", TEXT, true, metadata_field), WORD("max_length", NUMBER, true, id_bytes),
    WORD("shards_num", NUMBER, true, shards),
};

#define WORD_COUNT (sizeof words / sizeof words[0])

static const word *
find_word(const char *name, bool spec)
{
    for (size_t i = 0; i < WORD_COUNT; i++)
        if (strcmp(words[i].name, name) == 0 && (spec || !words[i].of_spec))
            return &words[i];
    return NULL;
}

static vmx_status
wrong(const char *what, const word *w, const char *expected, vmx_error *error)
{
    return vmx_error_set(error, VMX_ERR_INVALID, "%s: \"%s\" must be %s", what, w->name, expected);
}

static vmx_status
take_object(vmx_arena *arena, const Google__Protobuf__Value *value, const char **text, vmx_error *error)
{
    vmx_buffer json = {0};
    vmx_struct_to_json(value->struct_value, &json);
    if (!json.failed)
        *text = vmx_arena_str(arena, (vmx_str){(const char *)json.data, json.len}).ptr;
    vmx_buffer_free(&json);
    return *text != NULL ? VMX_OK : vmx_error_no_memory(error);
}

static vmx_status
take_word(vmx_arena *arena, const word *w, const Google__Protobuf__Value *value, const char *what, void *member,
          vmx_error *error)
{
    bool is_text = value->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE;
    bool is_number = value->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE;
    if (w->kind == OBJECT)
        return value->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE ? take_object(arena, value, member, error)
                                                                              : wrong(what, w, "an object", error);
    if (w->kind == TEXT) {
        size_t len = is_text ? strlen(value->string_value) : 0;
        if (len == 0 || len >= VMX_MILVUS_NAME_SIZE)
            return wrong(what, w, "a text of 1 to 255 bytes", error);
        *(const char **)member = value->string_value;
        return VMX_OK;
    }
    double number = is_number ? value->number_value : 0;
    if (number < 1 || number > MAX_NUMBER || number != floor(number))
        return wrong(what, w, "a whole number of 1 to 65535", error);
    *(uint32_t *)member = (uint32_t)number;
    return VMX_OK;
}

vmx_status
vmx_milvus_options_parse(vmx_arena *arena, vmx_str json, bool spec, const char *what, vmx_milvus_options *options,
                         vmx_error *error)
{
    Google__Protobuf__Struct *object;
    *options = (vmx_milvus_options){.given = json.len > 0};
    vmx_status status = json.len > 0 ? vmx_struct_from_json(arena, json, what, &object, error) : VMX_OK;
    for (size_t i = 0; options->given && status == VMX_OK && i < object->n_fields; i++) {
        const word *w = find_word(object->fields[i]->key, spec);
        if (w == NULL)
            return vmx_error_set(error, VMX_ERR_INVALID,
                                 "%s: \"%s\" is no option of the engine milvus here; "
                                 "docs/engines.md lists them",
                                 what, object->fields[i]->key);
        status = take_word(arena, w, object->fields[i]->value, what, (char *)options + w->offset, error);
    }
    return status;
}
