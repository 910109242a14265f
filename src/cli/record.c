#include "record.h"

#include <stdlib.h>
#include <string.h>

#define FRAMING_BYTES 32

bool
cli_record_parse(const json_t *object, cli_record *record, cli_reason *reason)
{
    static const char *const keys[] = {"id", "values", "sparse", "metadata", NULL};
    const char *id = NULL;
    *record = (cli_record){0};
    bool good = cli_json_keys(object, keys, reason) &&
                cli_json_string(json_object_get(object, "id"), "id", &id, reason) &&
                (id || cli_refuse(reason, "no \"id\"")) &&
                cli_json_floats(json_object_get(object, "values"), "values", &record->values, reason) &&
                cli_json_sparse(json_object_get(object, "sparse"), &record->sparse, reason) &&
                cli_json_object_text(json_object_get(object, "metadata"), "metadata", &record->metadata, reason);
    if (good) {
        record->id = strdup(id);
        good = record->id || cli_refuse(reason, "out of memory");
    }
    if (!good)
        cli_record_free(record);
    return good;
}

void
cli_record_free(cli_record *record)
{
    free(record->id);
    cli_floats_free(&record->values);
    cli_sparse_free(&record->sparse);
    free(record->metadata);
    *record = (cli_record){0};
}

size_t
cli_record_size(const cli_record *record)
{
    size_t metadata = record->metadata ? strlen(record->metadata) : 0;
    return FRAMING_BYTES + strlen(record->id) + record->values.len * sizeof(float) +
           record->sparse.len * (sizeof(float) + sizeof(uint32_t)) + metadata;
}

void
cli_record_borrow(const cli_record *record, vmx_vector *vector)
{
    vmx_vector_init(vector, sizeof *vector);
    vector->id = vmx_str_from(record->id);
    vector->values = cli_floats_borrow(&record->values);
    vector->sparse = cli_sparse_borrow(&record->sparse);
    vector->metadata = vmx_str_from(record->metadata);
}
