/*
 * record.h: a record of an index as a JSON object:
 * {"id": text, "values": [numbers], "sparse": {"indices": [...], "values": [...]}, "metadata": {...}}.
 */
#ifndef VMX_CLI_RECORD_H
#define VMX_CLI_RECORD_H

#include "json.h"

#include <vecmux/vecmux.h>

typedef struct cli_record {
    char *id;
    cli_floats values;
    cli_sparse sparse;
    char *metadata; /* JSON text, or NULL */
    uint64_t line;  /* of the input */
} cli_record;

/* False with a reason; the record is to be freed only after true. */
bool
cli_record_parse(const json_t *object, cli_record *record, cli_reason *reason);

void
cli_record_free(cli_record *record);

/* About how many bytes the record has on the wire. */
size_t
cli_record_size(const cli_record *record);

/* The record as the library takes it, borrowed. */
void
cli_record_borrow(const cli_record *record, vmx_vector *vector);

#endif
