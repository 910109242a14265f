#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "peer/driver.h"

void *
driver_alloc(driver_memory *memory, size_t size)
{
    void *block = calloc(1, size > 0 ? size : 1);
    if (block == NULL || memory->count == sizeof memory->blocks / sizeof memory->blocks[0])
        abort();
    memory->blocks[memory->count++] = block;
    return block;
}

void
driver_free(driver_memory *memory)
{
    while (memory->count > 0)
        free(memory->blocks[--memory->count]);
}

static vmx_str
str_of(const json_t *value)
{
    if (!json_is_string(value))
        return (vmx_str){NULL, 0};
    return (vmx_str){json_string_value(value), json_string_length(value)};
}

static float
float_of(const json_t *value)
{
    if (!json_is_string(value))
        return (float)json_number_value(value);
    const char *text = json_string_value(value);
    return strcmp(text, "nan") == 0 ? NAN : strcmp(text, "-inf") == 0 ? -INFINITY : INFINITY;
}

vmx_str
driver_str(const json_t *object, const char *key)
{
    return str_of(json_object_get(object, key));
}

uint64_t
driver_uint(const json_t *object, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

bool
driver_bool(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

vmx_str
driver_text(driver_memory *memory, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_object(value))
        return str_of(value);
    char *dumped = json_dumps(value, JSON_COMPACT);
    size_t len = strlen(dumped);
    char *copy = driver_alloc(memory, len + 1);
    memcpy(copy, dumped, len);
    free(dumped);
    return (vmx_str){copy, len};
}

vmx_strs
driver_strs(driver_memory *memory, const json_t *object, const char *key)
{
    const json_t *list = json_object_get(object, key);
    size_t count = json_array_size(list);
    vmx_str *strs = driver_alloc(memory, count * sizeof *strs);
    for (size_t i = 0; i < count; i++)
        strs[i] = str_of(json_array_get(list, i));
    return (vmx_strs){strs, count};
}

vmx_floats
driver_floats(driver_memory *memory, const json_t *object, const char *key)
{
    const json_t *list = json_object_get(object, key);
    size_t count = json_array_size(list);
    float *values = driver_alloc(memory, count * sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = float_of(json_array_get(list, i));
    return (vmx_floats){values, count};
}

vmx_sparse
driver_sparse(driver_memory *memory, const json_t *object, const char *key)
{
    const json_t *sparse = json_object_get(object, key);
    const json_t *list = json_object_get(sparse, "indices");
    vmx_floats values = driver_floats(memory, sparse, "values");
    size_t count = json_array_size(list);
    uint32_t *indices = driver_alloc(memory, count * sizeof *indices);
    for (size_t i = 0; i < count; i++)
        indices[i] = (uint32_t)json_integer_value(json_array_get(list, i));
    return (vmx_sparse){indices, values.ptr, count};
}

vmx_vectors
driver_vectors(driver_memory *memory, const json_t *object, const char *key)
{
    const json_t *list = json_object_get(object, key);
    size_t count = json_array_size(list);
    vmx_vector *vectors = driver_alloc(memory, count * sizeof *vectors);
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(list, i);
        vmx_vector_init(&vectors[i], sizeof vectors[i]);
        vectors[i].id = driver_str(item, "id");
        vectors[i].values = driver_floats(memory, item, "values");
        vectors[i].sparse = driver_sparse(memory, item, "sparse");
        vectors[i].metadata = driver_text(memory, item, "metadata");
    }
    return (vmx_vectors){vectors, count, 0};
}

/* --- call options -------------------------------------------------------------------------------------------------- */

static void
read_headers(driver_memory *memory, const json_t *command, vmx_call_options *options)
{
    json_t *headers = json_object_get(command, "headers");
    vmx_header *list = driver_alloc(memory, json_object_size(headers) * sizeof *list);
    const char *key;
    json_t *value;
    json_object_foreach(headers, key, value)
    {
        list[options->header_count].key = vmx_str_from(key);
        list[options->header_count++].value = str_of(value);
    }
    options->headers = list;
}

static void
read_retry(driver_memory *memory, const json_t *command, vmx_call_options *options)
{
    if (json_object_get(command, "max_attempts") == NULL)
        return;
    vmx_retry *retry = driver_alloc(memory, sizeof *retry);
    vmx_retry_init(retry, sizeof *retry, VMX_RETRY_DEFAULT);
    retry->max_attempts = (uint32_t)driver_uint(command, "max_attempts");
    options->retry = retry;
}

vmx_call_options
driver_options(driver_memory *memory, const json_t *command)
{
    vmx_call_options options;
    vmx_call_options_init(&options, sizeof options);
    options.timeout_ms = (int64_t)driver_uint(command, "timeout_ms");
    options.wait_for_ready = (int32_t)json_integer_value(json_object_get(command, "wait_for_ready"));
    read_headers(memory, command, &options);
    read_retry(memory, command, &options);
    return options;
}
