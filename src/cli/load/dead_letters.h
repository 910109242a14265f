/*
 * dead_letters.h: rows that are refused before they are sent, appended to the file that the writer appends to: a JSON
 * line each, a record with an "error" {"code", "outcome", "message"}, or, where the row is no record, its "text".
 */
#ifndef VMX_CLI_LOAD_DEAD_LETTERS_H
#define VMX_CLI_LOAD_DEAD_LETTERS_H

#include <stdbool.h>
#include <vecmux/index.h>

typedef struct load_dead_letters {
    const char *path; /* NULL: there is no such file, and nothing is written */
    int fd;
} load_dead_letters;

/* Opens or creates the file; ends a line that a killed load has left. False after one line on stderr. */
bool
load_dead_letters_open(load_dead_letters *letters, const char *path);

void
load_dead_letters_close(load_dead_letters *letters);

/* Append a row; numbers that JSON cannot say become null. False after one line on stderr. */
bool
load_dead_letters_add(load_dead_letters *letters, const vmx_vector *vector, const vmx_error *error);
bool
load_dead_letters_add_text(load_dead_letters *letters, vmx_str text, const char *message);

/* Makes sure that everything is on the disk, the writer's lines too. */
bool
load_dead_letters_sync(load_dead_letters *letters);

#endif
