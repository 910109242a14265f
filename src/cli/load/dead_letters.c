#include "dead_letters.h"

#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool
report(const load_dead_letters *letters, const char *what)
{
    cli_error("dead letter file \"%s\": %s", letters->path, what);
    return false;
}

bool
load_dead_letters_open(load_dead_letters *letters, const char *path)
{
    *letters = (load_dead_letters){.path = path, .fd = -1};
    if (!path)
        return true;
    letters->fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (letters->fd < 0)
        return report(letters, strerror(errno));
    char last;
    off_t size = lseek(letters->fd, 0, SEEK_END);
    if (size > 0 && pread(letters->fd, &last, 1, size - 1) == 1 && last != '\n' && write(letters->fd, "\n", 1) != 1) {
        report(letters, strerror(errno));
        load_dead_letters_close(letters);
        return false;
    }
    return true;
}

void
load_dead_letters_close(load_dead_letters *letters)
{
    if (letters->path && letters->fd >= 0)
        close(letters->fd);
    letters->path = NULL;
}

static json_t *
make_floats(const float *values, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < count; i++)
        json_array_append_new(array, isfinite(values[i]) ? json_real((double)values[i]) : json_null());
    return array;
}

static json_t *
make_sparse(vmx_sparse sparse)
{
    json_t *indices = json_array();
    for (size_t i = 0; indices && i < sparse.len; i++)
        json_array_append_new(indices, json_integer(sparse.indices[i]));
    return json_pack("{s:o,s:o}", "indices", indices, "values", make_floats(sparse.values, sparse.len));
}

/* A text that may be no UTF-8: what is none becomes "?". */
static json_t *
make_text(vmx_str text)
{
    json_t *string = json_stringn(text.ptr ? text.ptr : "", text.len);
    if (string)
        return string;
    char *copy = malloc(text.len + 1);
    for (size_t i = 0; copy && i < text.len; i++)
        copy[i] = (text.ptr[i] & 0x80) ? '?' : text.ptr[i];
    string = copy ? json_stringn(copy, text.len) : NULL;
    free(copy);
    return string;
}

/* Metadata that is no JSON, perhaps the very reason, stays as a text. */
static json_t *
make_metadata(vmx_str metadata)
{
    json_t *value = json_loadb(metadata.ptr, metadata.len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    return value ? value : make_text(metadata);
}

static bool
append_line(load_dead_letters *letters, json_t *letter)
{
    char *line = json_dumps(letter, JSON_COMPACT | JSON_REAL_PRECISION(9));
    size_t length = line ? strlen(line) : 0;
    json_decref(letter);
    if (!line)
        return report(letters, "out of memory");
    line[length++] = '\n'; /* one write: other writers append to the file too */
    ssize_t written = write(letters->fd, line, length);
    free(line);
    return written == (ssize_t)length || report(letters, written < 0 ? strerror(errno) : "no room for a whole line");
}

bool
load_dead_letters_add(load_dead_letters *letters, const vmx_vector *vector, const vmx_error *error)
{
    if (!letters->path)
        return true;
    json_t *letter = json_pack("{s:o}", "id", make_text(vector->id));
    if (vector->values.len > 0)
        json_object_set_new(letter, "values", make_floats(vector->values.ptr, vector->values.len));
    if (vector->sparse.len > 0)
        json_object_set_new(letter, "sparse", make_sparse(vector->sparse));
    if (vector->metadata.len > 0)
        json_object_set_new(letter, "metadata", make_metadata(vector->metadata));
    json_object_set_new(letter, "error",
                        json_pack("{s:s,s:s,s:o}", "code", vmx_status_name(error->code), "outcome", "not sent",
                                  "message", make_text(vmx_str_from(error->message))));
    return append_line(letters, letter);
}

bool
load_dead_letters_add_text(load_dead_letters *letters, vmx_str text, const char *message)
{
    if (!letters->path)
        return true;
    return append_line(letters, json_pack("{s:o,s:{s:s,s:s,s:o}}", "text", make_text(text), "error", "code",
                                          vmx_status_name(VMX_ERR_INVALID), "outcome", "not sent", "message",
                                          make_text(vmx_str_from(message))));
}

bool
load_dead_letters_sync(load_dead_letters *letters)
{
    if (!letters->path || fdatasync(letters->fd) == 0)
        return true;
    return report(letters, strerror(errno));
}
