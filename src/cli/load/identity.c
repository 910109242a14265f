#include "identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A name as text: in one that is no UTF-8 each byte that is not ASCII is \\xHH, so that two of them stay different. */
static json_t *
name_of(const char *name)
{
    json_t *text = json_string(name);
    char *escaped = text ? NULL : malloc(4 * strlen(name) + 1);
    if (!escaped)
        return text;
    char *end = escaped;
    for (const unsigned char *at = (const unsigned char *)name; *at; at++)
        end += sprintf(end, *at < 0x80 ? "%c" : "\\x%02x", *at);
    *end = '\0';
    text = json_string(escaped);
    free(escaped);
    return text;
}

/* A file as it is now; null where there is none. */
static json_t *
file_of(const char *path)
{
    struct stat status;
    if (!path || stat(path, &status) != 0)
        return json_null();
    return json_pack("{s:o,s:I,s:I}", "path", name_of(path), "bytes", (json_int_t)status.st_size, "changed_ns",
                     (json_int_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec);
}

static json_t *
files_of(const cli_texts *texts, bool named)
{
    json_t *array = json_array();
    for (size_t i = 0; i < texts->count; i++) {
        const char *equals = named ? strchr(texts->ptr[i], '=') : NULL;
        json_array_append_new(array,
                              json_pack("[o,o]", name_of(texts->ptr[i]), file_of(equals ? equals + 1 : texts->ptr[i])));
    }
    return array;
}

json_t *
load_identity(const load_options *options, const cli_connection *connection, vmx_str endpoint)
{
    const load_input_options *input = &options->input;
    return json_pack("{s:o,s:o,s:o,s:o,s:s?,s:s?,s:s?,s:I,s:I,s:I,s:s%,s:s?,s:s?}", "files",
                     files_of(&input->files, false), "ids", file_of(input->id_file), "metadata",
                     file_of(input->metadata_file), "columns", files_of(&input->columns, true), "format", input->format,
                     "dataset", input->dataset, "id-format", input->id_format, "id-offset",
                     (json_int_t)input->id_offset, "first-row", (json_int_t)input->first_row, "rows",
                     (json_int_t)input->row_count, "endpoint", endpoint.ptr ? endpoint.ptr : "", endpoint.len,
                     "namespace", connection->name_space, "collection", connection->collection);
}
