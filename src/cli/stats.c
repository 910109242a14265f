#include "cli.h"
#include "connection.h"
#include "output.h"

#include <stdio.h>

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
print_state(const vmx_op *op)
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
    fputs(",\"namespaces\":[", stdout);
    for (size_t i = 0; i < vmx_op_namespace_count(op); i++) {
        if (i > 0)
            putchar(',');
        cli_print_namespace(op, i);
    }
    puts("]}");
}

static int
stats(const cli_session *session, const cli_texts *arguments, void *user)
{
    (void)arguments;
    (void)user;
    vmx_op *op = NULL;
    vmx_error error;
    vmx_status status = vmx_index_stats(session->index, &session->options, &op, &error);
    bool good = cli_session_wait(status, &error, op);
    if (good)
        print_state(op);
    vmx_op_free(op);
    return good ? CLI_OK : CLI_FAILED;
}

static int
run(int argc, char **argv)
{
    cli_usage usage = {
        .command = "stats",
        .arguments = "",
        .text = "Prints counts, dimension and metric of the whole index as one JSON object:\n"
                "  {\"vector_count\":3,\"dimension\":2,\"metric\":\"cosine\",\"vector_type\":\"dense\","
                "\"index_fullness\":0,\n   \"namespaces\":[{\"name\":\"\",\"vector_count\":3}]}",
    };
    return cli_session_run(&usage, argc, argv, stats, NULL);
}

const cli_command cli_command_stats = {"stats", "prints counts, dimension and metric of the index", run};
