/*
 * id_format.h: ids made of row numbers after a pattern: text, %d or %06d once, text; %% is a percent sign.
 */
#ifndef VMX_CLI_LOAD_ID_FORMAT_H
#define VMX_CLI_LOAD_ID_FORMAT_H

#include "cli/json.h"

#include <stdint.h>

#define LOAD_ID_MAX 512 /* bytes, the longest id an index takes */

typedef struct load_id_format {
    char before[LOAD_ID_MAX]; /* NUL-terminated */
    char after[LOAD_ID_MAX];
    unsigned int width; /* digits at least */
    bool zeros;         /* filled up with zeros, else with blanks */
} load_id_format;

/* Reads a pattern; false with a reason that shows it. */
bool
load_id_format_parse(load_id_format *format, const char *pattern, cli_reason *reason);

/* Writes the id of a number, without NUL, into `text` (LOAD_ID_MAX bytes); its length. */
size_t
load_id_format_write(const load_id_format *format, uint64_t number, char *text);

#endif
