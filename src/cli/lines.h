/*
 * lines.h: an input of JSON lines, a file or stdin, with the number of each line.
 */
#ifndef VMX_CLI_LINES_H
#define VMX_CLI_LINES_H

#include "json.h"

#include <stdio.h>

#define CLI_LINE_MAX                                                                                                   \
    (16 << 20) /* bytes; records have less, and an input without line breaks must not fill the memory */

typedef struct cli_lines {
    FILE *file;
    const char *name; /* for messages */
    char *line;       /* the last one; owned */
    size_t capacity;
    uint64_t number; /* of the last line, from 1 */
} cli_lines;

/* Opens `path`; NULL or "-" is stdin. False after one line on stderr. */
bool
cli_lines_open(cli_lines *lines, const char *path);

void
cli_lines_close(cli_lines *lines);

typedef enum cli_line { CLI_LINE_END, CLI_LINE_READ, CLI_LINE_BAD } cli_line;

/*
 * Reads the next line that is not blank into `*value` (free it with json_decref). CLI_LINE_BAD after one line on
 * stderr: it cannot be read, is longer than CLI_LINE_MAX, or is not JSON.
 */
cli_line
cli_lines_next(cli_lines *lines, json_t **value);

/* One line on stderr that names the last line of the input. */
void
cli_lines_error(const cli_lines *lines, const cli_reason *reason);

#endif
