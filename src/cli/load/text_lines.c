#include "text_lines.h"

#include "buffers.h"

#include <string.h>

bool
load_text_lines_open(load_text_lines *lines, const char *path, cli_reason *reason)
{
    *lines = (load_text_lines){0};
    if (!load_bytes_open(&lines->bytes, path, reason))
        return false;
    lines->capacity = LOAD_LINE_FIRST;
    lines->buffer = load_buffer_new(LOAD_LINE_FIRST);
    if (lines->buffer)
        return true;
    load_text_lines_close(lines);
    return cli_refuse(reason, "out of memory");
}

void
load_text_lines_close(load_text_lines *lines)
{
    load_bytes_close(&lines->bytes);
    load_buffer_free(lines->buffer);
    lines->buffer = NULL;
}

static bool
grow(load_text_lines *lines, cli_reason *reason)
{
    char *grown = load_buffer_grow(lines->buffer, 2 * lines->capacity);
    if (!grown)
        return cli_refuse(reason, "out of memory");
    lines->buffer = grown;
    lines->capacity *= 2;
    return true;
}

/* Reads more behind what is there, which is less than LOAD_LINE_MAX. */
static bool
fill(load_text_lines *lines, cli_reason *reason)
{
    size_t got;
    memmove(lines->buffer, lines->buffer + lines->begin, lines->end - lines->begin);
    lines->end -= lines->begin;
    lines->begin = 0;
    if (lines->end == lines->capacity && !grow(lines, reason))
        return false;
    size_t room = lines->capacity - lines->end;
    room = room < LOAD_LINE_READ ? room : LOAD_LINE_READ;
    if (!load_bytes_read(&lines->bytes, lines->bytes.position, lines->buffer + lines->end, room, &got, reason))
        return false;
    lines->end += got;
    lines->ended = got < room;
    return true;
}

/* Hands out the first `length` bytes of the buffer as a line; `taken` with the line break. */
static load_line
hand_out(load_text_lines *lines, vmx_str *line, size_t length, size_t taken)
{
    *line = (vmx_str){lines->buffer + lines->begin, length};
    if (length > 0 && line->ptr[length - 1] == '\r')
        line->len--;
    lines->begin += taken;
    lines->ahead += taken;
    return LOAD_LINE;
}

/* Drops the rest of a line that fills the buffer; its beginning stays, to be shown. */
static load_line
skip_long(load_text_lines *lines, vmx_str *line, cli_reason *reason)
{
    char *rest = lines->buffer + LOAD_LINE_CUT;
    const char *stop = NULL;
    lines->ahead += LOAD_LINE_MAX;
    lines->begin = lines->end = LOAD_LINE_CUT;
    while (!stop && !lines->ended) {
        size_t got, room = LOAD_LINE_READ;
        if (!load_bytes_read(&lines->bytes, lines->bytes.position, rest, room, &got, reason))
            return LOAD_LINE_FAILED;
        stop = memchr(rest, '\n', got);
        size_t skipped = stop ? (size_t)(stop - rest) + 1 : got;
        lines->ended = got < room;
        lines->ahead += skipped;
        lines->begin = LOAD_LINE_CUT + skipped;
        lines->end = LOAD_LINE_CUT + got;
    }
    *line = (vmx_str){lines->buffer, LOAD_LINE_CUT};
    cli_refuse(reason, "a line of more than %u bytes", LOAD_LINE_MAX);
    return LOAD_LINE_TOO_LONG;
}

load_line
load_text_lines_next(load_text_lines *lines, vmx_str *line, cli_reason *reason)
{
    size_t searched = 0;
    lines->number++;
    lines->offset = lines->ahead;
    for (;;) {
        size_t length = lines->end - lines->begin;
        const char *from = lines->buffer + lines->begin;
        const char *stop = memchr(from + searched, '\n', length - searched);
        if (stop)
            return hand_out(lines, line, (size_t)(stop - from), (size_t)(stop - from) + 1);
        if (length == LOAD_LINE_MAX)
            return skip_long(lines, line, reason);
        if (lines->ended && length > 0)
            return hand_out(lines, line, length, length);
        if (lines->ended)
            return LOAD_LINE_END;
        searched = length;
        if (!fill(lines, reason))
            return LOAD_LINE_FAILED;
    }
}

bool
load_line_blank(vmx_str line)
{
    size_t i = 0;
    while (i < line.len && (line.ptr[i] == ' ' || line.ptr[i] == '\t' || line.ptr[i] == '\r'))
        i++;
    return i == line.len;
}
