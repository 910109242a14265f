#include "output.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void
cli_print_text(vmx_str text)
{
    json_t *string = json_stringn(text.ptr ? text.ptr : "", text.len);
    if (!string || json_dumpf(string, stdout, JSON_ENCODE_ANY) != 0)
        fputs("null", stdout);
    json_decref(string);
}

void
cli_print_float(float value)
{
    if (isfinite(value))
        printf("%.9g", (double)value);
    else
        fputs("null", stdout);
}

static void
print_floats(const float *values, size_t count)
{
    putchar('[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            putchar(',');
        cli_print_float(values[i]);
    }
    putchar(']');
}

static void
print_sparse(vmx_sparse sparse)
{
    fputs(",\"sparse\":{\"indices\":[", stdout);
    for (size_t i = 0; i < sparse.len; i++)
        printf("%s%lu", i > 0 ? "," : "", (unsigned long)sparse.indices[i]);
    fputs("],\"values\":", stdout);
    print_floats(sparse.values, sparse.len);
    putchar('}');
}

void
cli_print_match(vmx_op *op, size_t i, bool score)
{
    vmx_floats values = vmx_op_match_values(op, i);
    vmx_sparse sparse = vmx_op_match_sparse(op, i);
    vmx_str metadata = vmx_op_match_metadata(op, i);
    fputs("{\"id\":", stdout);
    cli_print_text(vmx_op_match_id(op, i));
    if (score) {
        fputs(",\"score\":", stdout);
        cli_print_float(vmx_op_match_score(op, i));
    }
    if (values.len > 0) {
        fputs(",\"values\":", stdout);
        print_floats(values.ptr, values.len);
    }
    if (sparse.len > 0)
        print_sparse(sparse);
    if (metadata.ptr) {
        fputs(",\"metadata\":", stdout);
        fwrite(metadata.ptr, 1, metadata.len, stdout);
    }
    putchar('}');
}

void
cli_print_usage(const vmx_op *op)
{
    uint32_t units;
    if (vmx_op_read_units(op, &units))
        printf(",\"read_units\":%lu", (unsigned long)units);
    if (vmx_op_egress_bytes(op, &units))
        printf(",\"egress_bytes\":%lu", (unsigned long)units);
}

void
cli_print_namespace(const vmx_op *op, size_t i)
{
    unsigned long long size_bytes = vmx_op_namespace_size_bytes(op, i);
    size_t fields = vmx_op_namespace_field_count(op, i);
    fputs("{\"name\":", stdout);
    cli_print_text(vmx_op_namespace_name(op, i));
    printf(",\"vector_count\":%llu", (unsigned long long)vmx_op_namespace_vector_count(op, i));
    if (size_bytes > 0)
        printf(",\"size_bytes\":%llu", size_bytes);
    for (size_t field = 0; field < fields; field++) {
        fputs(field == 0 ? ",\"fields\":[" : ",", stdout);
        cli_print_text(vmx_op_namespace_field(op, i, field));
    }
    fputs(fields > 0 ? "]}" : "}", stdout);
}

static void
print_text_field(const char *name, vmx_str text)
{
    if (!text.ptr)
        return;
    printf(",\"%s\":", name);
    cli_print_text(text);
}

static void
print_float_field(const char *name, float value)
{
    printf(",\"%s\":", name);
    cli_print_float(value);
}

static void
print_build(const vmx_index_state *state)
{
    static const char *const names[] = {NULL, "none", "pending", "running", "ready", "failed"};
    if (state->build != VMX_INDEX_BUILD_UNKNOWN)
        print_text_field("build", vmx_str_from(names[state->build]));
    if (state->has_indexed_count)
        printf(",\"indexed_count\":%llu", (unsigned long long)state->indexed_count);
    print_text_field("build_error", state->build_error);
}

void
cli_print_state(const vmx_op *op)
{
    vmx_index_state state;
    vmx_index_state_init(&state, sizeof state);
    vmx_op_stats(op, &state);
    printf("{\"vector_count\":%llu", (unsigned long long)state.vector_count);
    if (state.has_dimension)
        printf(",\"dimension\":%lu", (unsigned long)state.dimension);
    print_text_field("metric", state.metric);
    print_text_field("vector_type", state.vector_type);
    print_float_field("index_fullness", state.index_fullness);
    if (state.has_memory_fullness)
        print_float_field("memory_fullness", state.memory_fullness);
    if (state.has_storage_fullness)
        print_float_field("storage_fullness", state.storage_fullness);
    print_build(&state);
    fputs(",\"namespaces\":[", stdout);
    for (size_t i = 0; i < vmx_op_namespace_count(op); i++) {
        if (i > 0)
            putchar(',');
        cli_print_namespace(op, i);
    }
    puts("]}");
}
