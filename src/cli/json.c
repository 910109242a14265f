#include "json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool
cli_refuse(cli_reason *reason, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason->text, sizeof reason->text, format, arguments);
    va_end(arguments);
    return false;
}

json_t *
cli_json_parse(const char *text, size_t length, cli_reason *reason)
{
    json_error_t error;
    json_t *value = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!value)
        cli_refuse(reason, "JSON: %s (byte %d)", error.text, error.position);
    return value;
}

bool
cli_json_keys(const json_t *object, const char *const *keys, cli_reason *reason)
{
    if (!json_is_object(object))
        return cli_refuse(reason, "not a JSON object");
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        size_t i = 0;
        while (keys[i] && strcmp(keys[i], key) != 0)
            i++;
        if (!keys[i])
            return cli_refuse(reason, "\"%.64s\": no such field here", key);
    }
    return true;
}

bool
cli_json_floats(const json_t *field, const char *name, cli_floats *floats, cli_reason *reason)
{
    if (!field)
        return true;
    if (!json_is_array(field))
        return cli_refuse(reason, "\"%s\": not an array of numbers", name);
    floats->len = json_array_size(field);
    floats->ptr = malloc((floats->len + 1) * sizeof *floats->ptr);
    if (!floats->ptr)
        return cli_refuse(reason, "out of memory");
    for (size_t i = 0; i < floats->len; i++) {
        const json_t *number = json_array_get(field, i);
        if (!json_is_number(number))
            return cli_refuse(reason, "\"%s\": element %zu is not a number", name, i);
        floats->ptr[i] = (float)json_number_value(number);
    }
    return true;
}

static bool
read_indices(const json_t *field, cli_sparse *sparse, cli_reason *reason)
{
    sparse->indices = malloc((json_array_size(field) + 1) * sizeof *sparse->indices);
    if (!sparse->indices)
        return cli_refuse(reason, "out of memory");
    for (size_t i = 0; i < json_array_size(field); i++) {
        const json_t *number = json_array_get(field, i);
        json_int_t index = json_integer_value(number);
        if (!json_is_integer(number) || index < 0 || index > UINT32_MAX)
            return cli_refuse(reason, "\"sparse\": index %zu is not a whole number from 0 to 4294967295", i);
        sparse->indices[i] = (uint32_t)index;
    }
    return true;
}

bool
cli_json_sparse(const json_t *field, cli_sparse *sparse, cli_reason *reason)
{
    static const char *const keys[] = {"indices", "values", NULL};
    if (!field)
        return true;
    if (!cli_json_keys(field, keys, reason))
        return false;
    const json_t *indices = json_object_get(field, "indices");
    const json_t *values = json_object_get(field, "values");
    if (!json_is_array(indices) || !json_is_array(values) || json_array_size(indices) != json_array_size(values))
        return cli_refuse(reason, "\"sparse\": needs \"indices\" and \"values\" of the same length");
    cli_floats floats = {0};
    bool good = cli_json_floats(values, "values", &floats, reason) && read_indices(indices, sparse, reason);
    sparse->values = floats.ptr;
    sparse->len = floats.len;
    return good;
}

bool
cli_json_object_text(const json_t *field, const char *name, char **text, cli_reason *reason)
{
    if (!field)
        return true;
    if (!json_is_object(field))
        return cli_refuse(reason, "\"%s\": not a JSON object", name);
    *text = json_dumps(field, JSON_COMPACT | JSON_REAL_PRECISION(17));
    return *text || cli_refuse(reason, "out of memory");
}

bool
cli_json_string(const json_t *field, const char *name, const char **text, cli_reason *reason)
{
    if (!field)
        return true;
    if (!json_is_string(field) || strlen(json_string_value(field)) != json_string_length(field))
        return cli_refuse(reason, "\"%s\": not a text", name);
    *text = json_string_value(field);
    return true;
}

bool
cli_json_bool(const json_t *field, const char *name, bool *value, cli_reason *reason)
{
    if (!field)
        return true;
    if (!json_is_boolean(field))
        return cli_refuse(reason, "\"%s\": not true or false", name);
    *value = json_is_true(field);
    return true;
}

bool
cli_json_number(const json_t *field, const char *name, uint64_t max, uint64_t *value, cli_reason *reason)
{
    if (!field)
        return true;
    json_int_t number = json_integer_value(field);
    if (!json_is_integer(field) || number < 0 || (uint64_t)number > max)
        return cli_refuse(reason, "\"%s\": not a whole number from 0 to %llu", name, (unsigned long long)max);
    *value = (uint64_t)number;
    return true;
}

void
cli_floats_free(cli_floats *floats)
{
    free(floats->ptr);
    *floats = (cli_floats){0};
}

void
cli_sparse_free(cli_sparse *sparse)
{
    free(sparse->indices);
    free(sparse->values);
    *sparse = (cli_sparse){0};
}

vmx_floats
cli_floats_borrow(const cli_floats *floats)
{
    return (vmx_floats){floats->ptr, floats->len};
}

vmx_sparse
cli_sparse_borrow(const cli_sparse *sparse)
{
    return (vmx_sparse){sparse->indices, sparse->values, sparse->len};
}
