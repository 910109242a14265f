/*
 * .npy, as NumPy documents it (numpy.lib.format, versions 1.0 to 3.0): a magic text, the version, the length of the
 * header, the header (a Python dictionary with descr, fortran_order and shape), then the numbers.
 */
#include "layout.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC_BYTES 6
#define HEADER_MAX  65536
#define AXES_MAX    8

/* The header's text, read from left to right. */
typedef struct npy_text {
    const char *at;
    const char *end;
    const char *begin;
    uint64_t offset; /* of `begin` in the file */
    cli_reason *reason;
} npy_text;

static bool
refuse(const npy_text *text, const char *expected)
{
    return cli_refuse(text->reason, "header, byte %llu: %s was expected",
                      (unsigned long long)(text->offset + (uint64_t)(text->at - text->begin)), expected);
}

static void
skip_blanks(npy_text *text)
{
    while (text->at < text->end && strchr(" \t\r\n", *text->at) && *text->at)
        text->at++;
}

/* Takes the character if it comes next. */
static bool
take(npy_text *text, char c)
{
    skip_blanks(text);
    if (text->at == text->end || *text->at != c)
        return false;
    text->at++;
    return true;
}

static bool
take_word(npy_text *text, const char *word)
{
    skip_blanks(text);
    size_t length = strlen(word);
    if ((size_t)(text->end - text->at) < length || memcmp(text->at, word, length) != 0)
        return false;
    text->at += length;
    return true;
}

/* A quoted text without escapes, cut to the buffer. */
static bool
take_quoted(npy_text *text, char *buffer, size_t size)
{
    skip_blanks(text);
    char quote = text->at < text->end ? *text->at : '\0';
    if (quote != '\'' && quote != '"')
        return refuse(text, "a quoted text");
    const char *begin = text->at + 1;
    const char *close = memchr(begin, quote, (size_t)(text->end - begin));
    if (!close)
        return refuse(text, "a closing quote");
    size_t length = (size_t)(close - begin);
    length = length < size ? length : size - 1;
    memcpy(buffer, begin, length);
    buffer[length] = '\0';
    text->at = close + 1;
    return true;
}

static bool
take_number(npy_text *text, uint64_t *number)
{
    skip_blanks(text);
    if (text->at == text->end || *text->at < '0' || *text->at > '9')
        return refuse(text, "a whole number");
    for (*number = 0; text->at < text->end && *text->at >= '0' && *text->at <= '9'; text->at++) {
        if (*number > UINT64_MAX / 10 - 1)
            return refuse(text, "a smaller number");
        *number = *number * 10 + (uint64_t)(*text->at - '0');
    }
    return true;
}

/* descr: byte order, kind and size, "<f4". */
static bool
read_type(npy_text *text, load_type *type)
{
    char descr[16];
    skip_blanks(text);
    if (text->at < text->end && *text->at == '[')
        return cli_refuse(text->reason, "an array of records; an array of numbers was expected");
    if (!take_quoted(text, descr, sizeof descr))
        return false;
    *type = (load_type){.big_endian = *descr == '>' || (*descr == '=' && BYTE_ORDER == BIG_ENDIAN)};
    bool order = *descr && strchr("<>=|", *descr);
    if (order && (descr[1] == 'f' || descr[1] == 'i' || descr[1] == 'u') && descr[2] >= '1' && descr[2] <= '8' &&
        !descr[3]) {
        type->kind = descr[1] == 'f' ? LOAD_FLOAT : descr[1] == 'i' ? LOAD_INT : LOAD_UINT;
        type->bytes = (uint8_t)(descr[2] - '0');
        if (load_type_valid(*type))
            return true;
    }
    for (char *c = descr; *c; c++)
        *c = *c >= ' ' && *c <= '~' ? *c : '?';
    return cli_refuse(text->reason, "type \"%s\"; f2, f4, f8, or i or u of 1, 2, 4 or 8 bytes was expected", descr);
}

static bool
read_order(npy_text *text)
{
    if (take_word(text, "False"))
        return true;
    if (take_word(text, "True"))
        return cli_refuse(text->reason, "Fortran order, column by column; save it again with numpy.ascontiguousarray");
    return refuse(text, "True or False");
}

static bool
read_shape(npy_text *text, load_layout *layout)
{
    uint64_t shape[AXES_MAX] = {0};
    size_t rank = 0;
    if (!take(text, '('))
        return refuse(text, "\"(\"");
    while (!take(text, ')')) {
        if (rank == AXES_MAX)
            return cli_refuse(text->reason, "more than %d axes", AXES_MAX);
        if (!take_number(text, &shape[rank++]))
            return false;
        if (!take(text, ',') && (text->at == text->end || *text->at != ')'))
            return refuse(text, "\",\" or \")\"");
    }
    return load_layout_set_shape(layout, shape, rank, text->reason);
}

static bool
read_entry(npy_text *text, load_layout *layout, unsigned int *seen)
{
    char key[32];
    if (!take_quoted(text, key, sizeof key))
        return false;
    if (!take(text, ':'))
        return refuse(text, "\":\"");
    if (strcmp(key, "descr") == 0) {
        *seen |= 1;
        return read_type(text, &layout->type);
    }
    if (strcmp(key, "fortran_order") == 0) {
        *seen |= 2;
        return read_order(text);
    }
    if (strcmp(key, "shape") == 0) {
        *seen |= 4;
        return read_shape(text, layout);
    }
    return refuse(text, "the value of descr, fortran_order or shape");
}

static bool
read_dictionary(npy_text *text, load_layout *layout)
{
    unsigned int seen = 0;
    if (!take(text, '{'))
        return refuse(text, "\"{\"");
    while (!take(text, '}')) {
        if (!read_entry(text, layout, &seen))
            return false;
        if (!take(text, ',') && (text->at == text->end || *text->at != '}'))
            return refuse(text, "\",\" or \"}\"");
    }
    return seen == 7 || refuse(text, "descr, fortran_order and shape before the end");
}

bool
load_npy_layout(load_bytes *bytes, load_layout *layout, cli_reason *reason)
{
    uint8_t head[MAGIC_BYTES + 2];
    uint8_t raw[4] = {0};
    uint64_t length = 0;
    if (!load_bytes_exact(bytes, 0, head, sizeof head, "the header", reason))
        return false;
    if (memcmp(head, "\x93NUMPY", MAGIC_BYTES) != 0)
        return cli_refuse(reason, "byte 0: no .npy file: it does not begin with \\x93NUMPY");
    if (head[6] < 1 || head[6] > 3)
        return cli_refuse(reason, "byte 6: version %d; 1, 2 or 3 was expected", head[6]);
    uint8_t width = head[6] == 1 ? 2 : 4;
    if (!load_bytes_exact(bytes, sizeof head, raw, width, "the header's length", reason) ||
        !load_type_to_whole((load_type){LOAD_UINT, width, false}, raw, &length))
        return false;
    if (length > HEADER_MAX)
        return cli_refuse(reason, "byte 8: a header of %llu bytes; at most %d were expected",
                          (unsigned long long)length, HEADER_MAX);
    char *header = malloc((size_t)length + 1);
    if (!header)
        return cli_refuse(reason, "out of memory");
    layout->offset = sizeof head + width + length;
    npy_text text = {header, header + length, header, sizeof head + width, reason};
    bool good = load_bytes_exact(bytes, text.offset, header, (size_t)length, "the header", reason) &&
                read_dictionary(&text, layout);
    free(header);
    return good;
}
