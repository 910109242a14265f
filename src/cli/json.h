/*
 * json.h: JSON of the command line and of input lines, checked field by field.
 */
#ifndef VMX_CLI_JSON_H
#define VMX_CLI_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vecmux/types.h>

/* Why an input was refused; one line without the name of the input. */
typedef struct cli_reason {
    char text[256];
} cli_reason;

/* Writes the reason and returns false. */
bool
cli_refuse(cli_reason *reason, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Parses a JSON text; NULL with a reason. Free it with json_decref. */
json_t *
cli_json_parse(const char *text, size_t length, cli_reason *reason);

/* Checks that `object` is an object with no other keys than those of the list, which ends in NULL. */
bool
cli_json_keys(const json_t *object, const char *const *keys, cli_reason *reason);

/* An array of float32, owned. */
typedef struct cli_floats {
    float *ptr;
    size_t len;
} cli_floats;

/* A sparse vector, owned. */
typedef struct cli_sparse {
    uint32_t *indices;
    float *values;
    size_t len; /* pairs */
} cli_sparse;

/* Read a field; an absent one (NULL) leaves the target as it is. False with a reason; free the target either way. */
bool
cli_json_floats(const json_t *field, const char *name, cli_floats *floats, cli_reason *reason);
bool
cli_json_sparse(const json_t *field, cli_sparse *sparse, cli_reason *reason);
/* An object, as compact JSON text that the caller frees. */
bool
cli_json_object_text(const json_t *field, const char *name, char **text, cli_reason *reason);
/* A text without NUL inside, borrowed from the field. */
bool
cli_json_string(const json_t *field, const char *name, const char **text, cli_reason *reason);
bool
cli_json_bool(const json_t *field, const char *name, bool *value, cli_reason *reason);
bool
cli_json_number(const json_t *field, const char *name, uint64_t max, uint64_t *value, cli_reason *reason);

void
cli_floats_free(cli_floats *floats);
void
cli_sparse_free(cli_sparse *sparse);

/* The same, borrowed, as the library takes them. */
vmx_floats
cli_floats_borrow(const cli_floats *floats);
vmx_sparse
cli_sparse_borrow(const cli_sparse *sparse);

#endif
