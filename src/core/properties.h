/*
 * core/properties.h: the property table and what it knows about values.
 */
#ifndef VMX_CORE_PROPERTIES_H
#define VMX_CORE_PROPERTIES_H

#include <stdbool.h>
#include <stdint.h>
#include <vecmux/config.h>

/* What a text must satisfy beyond its type. */
typedef enum vmx_property_check {
    VMX_CHECK_NONE = 0,
    VMX_CHECK_HEADER,      /* printable ASCII: it is sent as a header */
    VMX_CHECK_ENDPOINT,    /* core/endpoint.h */
    VMX_CHECK_ADDRESS,     /* host:port */
    VMX_CHECK_CERTIFICATES /* PEM, at least one certificate */
} vmx_property_check;

typedef struct vmx_property_row {
    const char *name;
    vmx_property_type type;
    const char *default_value;
    const char *range;
    const char *unit;
    bool secret;
    vmx_property_check check;
    double min, max; /* of INT (all are exact in a double) and FLOAT */
    const char *help;
} vmx_property_row;

/* Row `i`, NULL when there is none. */
const vmx_property_row *
vmx_property_row_at(size_t i);

/* The row with this name; SIZE_MAX when there is none. */
size_t
vmx_property_find(vmx_str name);

/* The row whose name is nearest to a name that is none, for "did you mean"; NULL when none is near. */
const vmx_property_row *
vmx_property_nearest(vmx_str name);

/* A value as the library reads it. */
typedef struct vmx_property_value {
    int64_t integer; /* INT, and BOOL as 0 or 1 */
    double real;     /* FLOAT */
} vmx_property_value;

/* Checks `text` against the row and reads it. FILE rows: the path only. Errors: VMX_ERR_INVALID, in one line that names
 * the property, the value (not a secret's) and what is allowed. */
vmx_status
vmx_property_parse(const vmx_property_row *row, vmx_str text, vmx_property_value *value, vmx_error *error);

/* Checks what the file of a FILE row holds; `path` is for the message. */
vmx_status
vmx_property_check_file(const vmx_property_row *row, vmx_str path, vmx_str content, vmx_error *error);

#endif
