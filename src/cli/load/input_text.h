/*
 * input_text.h: ids and metadata for rows, from patterns and from files that go in step with the rows.
 */
#ifndef VMX_CLI_LOAD_INPUT_TEXT_H
#define VMX_CLI_LOAD_INPUT_TEXT_H

#include "column.h"
#include "id_format.h"
#include "input.h"

#define LOAD_METADATA_COLUMNS 32
#define LOAD_METADATA_MAX     65536 /* bytes of one line; an index takes 40,960 */

typedef struct load_input_text {
    load_id_format id_format;
    bool has_id_format;
    uint64_t id_offset;
    load_column ids; /* path NULL: none */
    load_column metadata;
    load_column columns[LOAD_METADATA_COLUMNS];
    char *names[LOAD_METADATA_COLUMNS]; /* as JSON texts */
    size_t column_count;
    char *texts; /* of the rows handed out last; NULL before the first */
    size_t used, capacity;
} load_input_text;

/* Opens what the options name. `rows`: how many there will be, or LOAD_UNKNOWN; `records`: the rows have ids of their
 * own. False after one line on stderr, *code set; close it either way. */
bool
load_input_text_open(load_input_text *text, const load_input_options *options, uint64_t rows, bool records, int *code);

void
load_input_text_close(load_input_text *text);

/* Goes forward to a row; false after one line on stderr. */
bool
load_input_text_seek(load_input_text *text, uint64_t row);

/* Begins a new block of rows, with room for one: what was filled in before is no longer needed. False after one line on
 * stderr. */
bool
load_input_text_reset(load_input_text *text);

/* Is there room for one more row? */
bool
load_input_text_has_room(const load_input_text *text);

/* Fills in id and metadata of row `row`; each row once, in order; `vector` may be NULL. False after one line on stderr. */
bool
load_input_text_fill(load_input_text *text, uint64_t row, vmx_vector *vector);

#endif
