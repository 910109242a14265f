/*
 * text_lines.h: the lines of a text file in a buffer of at most LOAD_LINE_MAX bytes, with their numbers and byte offsets.
 */
#ifndef VMX_CLI_LOAD_TEXT_LINES_H
#define VMX_CLI_LOAD_TEXT_LINES_H

#include "bytes.h"
#include "limits.h"

#include <vecmux/types.h>

typedef struct load_text_lines {
    load_bytes bytes;
    char *buffer;
    size_t capacity;   /* of the buffer; it grows with the lines */
    size_t begin, end; /* of what was read and not handed out */
    bool ended;        /* nothing follows in the file */
    uint64_t number;   /* of the last line, from 1 */
    uint64_t offset;   /* of the last line's first byte */
    uint64_t ahead;    /* offset of buffer[begin] */
} load_text_lines;

bool
load_text_lines_open(load_text_lines *lines, const char *path, cli_reason *reason);

void
load_text_lines_close(load_text_lines *lines);

/* The reason is written for the last two. */
typedef enum load_line { LOAD_LINE, LOAD_LINE_END, LOAD_LINE_TOO_LONG, LOAD_LINE_FAILED } load_line;

/* The next line without its line break, borrowed until the next call; of one that is too long the beginning. */
load_line
load_text_lines_next(load_text_lines *lines, vmx_str *line, cli_reason *reason);

/* Is there anything but blanks on the line? */
bool
load_line_blank(vmx_str line);

#endif
