#include "peer/driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the operations ------------------------------------------------------------------------------------------------ */

typedef driver_job job;

static vmx_status
run_upsert(job *j)
{
    vmx_vectors vectors = driver_vectors(j->memory, j->command, "vectors");
    return vmx_index_upsert(j->index, &vectors, &j->options, &j->op, &j->error);
}

static vmx_status
run_query(job *j)
{
    vmx_query query;
    driver_query(j->memory, j->command, &query);
    return vmx_index_query(j->index, &query, &j->options, &j->op, &j->error);
}

static vmx_status
run_fetch(job *j)
{
    vmx_fetch fetch;
    vmx_fetch_init(&fetch, sizeof fetch);
    fetch.ids = driver_strs(j->memory, j->command, "ids");
    fetch.filter = driver_text(j->memory, j->command, "filter");
    fetch.limit = (uint32_t)driver_uint(j->command, "limit");
    fetch.token = driver_str(j->command, "token");
    return vmx_index_fetch(j->index, &fetch, &j->options, &j->op, &j->error);
}

static vmx_list
list_of(const job *j)
{
    vmx_list list;
    vmx_list_init(&list, sizeof list);
    list.prefix = driver_str(j->command, "prefix");
    list.limit = driver_uint(j->command, "limit");
    list.page_size = (uint32_t)driver_uint(j->command, "page_size");
    list.token = driver_str(j->command, "token");
    return list;
}

static vmx_status
run_list(job *j)
{
    vmx_list list = list_of(j);
    return vmx_index_list(j->index, driver_bool(j->command, "null") ? NULL : &list, &j->options, &j->op, &j->error);
}

static vmx_status
run_list_namespaces(job *j)
{
    vmx_list list = list_of(j);
    return vmx_index_list_namespaces(j->index, &list, &j->options, &j->op, &j->error);
}

static vmx_status
run_update(job *j)
{
    vmx_update update;
    vmx_update_init(&update, sizeof update);
    update.id = driver_str(j->command, "id");
    update.values = driver_floats(j->memory, j->command, "values");
    update.sparse = driver_sparse(j->memory, j->command, "sparse");
    update.set_metadata = driver_text(j->memory, j->command, "set_metadata");
    update.filter = driver_text(j->memory, j->command, "filter");
    update.dry_run = driver_bool(j->command, "dry_run");
    return vmx_index_update(j->index, &update, &j->options, &j->op, &j->error);
}

static vmx_status
run_delete(job *j)
{
    vmx_delete del;
    vmx_delete_init(&del, sizeof del);
    del.ids = driver_strs(j->memory, j->command, "ids");
    del.filter = driver_text(j->memory, j->command, "filter");
    del.all = driver_bool(j->command, "all");
    return vmx_index_delete(j->index, &del, &j->options, &j->op, &j->error);
}

static vmx_status
run_stats(job *j)
{
    return vmx_index_stats(j->index, &j->options, &j->op, &j->error);
}

static vmx_status
run_wait_visible(job *j)
{
    return vmx_index_wait_visible(j->index, driver_uint(j->command, "lsn"), &j->options, &j->op, &j->error);
}

static vmx_status
run_create_namespace(job *j)
{
    vmx_strs fields = driver_strs(j->memory, j->command, "filterable");
    return vmx_index_create_namespace(j->index, &fields, &j->options, &j->op, &j->error);
}

static vmx_status
run_describe_namespace(job *j)
{
    return vmx_index_describe_namespace(j->index, &j->options, &j->op, &j->error);
}

static vmx_status
run_delete_namespace(job *j)
{
    return vmx_index_delete_namespace(j->index, &j->options, &j->op, &j->error);
}

static const struct {
    const char *name;
    vmx_status (*run)(job *j);
} operations[] = {
    {"upsert", run_upsert},
    {"query", run_query},
    {"fetch", run_fetch},
    {"list", run_list},
    {"list_namespaces", run_list_namespaces},
    {"update", run_update},
    {"delete", run_delete},
    {"stats", run_stats},
    {"wait_visible", run_wait_visible},
    {"create_namespace", run_create_namespace},
    {"describe_namespace", run_describe_namespace},
    {"delete_namespace", run_delete_namespace},
};

static vmx_status
run_operation(job *j)
{
    const char *name = json_string_value(json_object_get(j->command, "op"));
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++)
        if (strcmp(operations[i].name, name) == 0)
            return operations[i].run(j);
    driver_run run = driver_manage_find(name);
    if (run != NULL)
        return run(j);
    fprintf(stderr, "driver: no operation \"%s\"\n", name);
    exit(2);
}

/* --- commands ------------------------------------------------------------------------------------------------------ */

static void
print(json_t *answer)
{
    char *text = json_dumps(answer, JSON_COMPACT | JSON_ENCODE_ANY);
    puts(text);
    fflush(stdout);
    free(text);
    json_decref(answer);
}

static json_t *
answer_of(vmx_status start, const vmx_error *error)
{
    json_t *answer = json_pack("{s:s}", "start", vmx_status_name(start));
    if (start != VMX_OK)
        json_object_set_new(answer, "error", driver_error(error));
    return answer;
}

static json_t *
run_command(vmx_client *client, const json_t *command)
{
    driver_memory memory = {.count = 0};
    job j = {.command = command, .memory = &memory, .client = client};
    j.options = driver_options(&memory, command);
    vmx_status status =
        vmx_index_open(client, driver_str(command, "collection"), driver_str(command, "namespace"), &j.index, &j.error);
    if (status == VMX_OK)
        status = run_operation(&j);
    driver_free(&memory); /* the library has copied what it needs */
    json_t *answer = answer_of(status, &j.error);
    if (status == VMX_OK) {
        vmx_op_wait(j.op, VMX_FOREVER);
        driver_add_result(answer, j.op, json_object_get(command, "read"));
    }
    vmx_op_free(j.op);
    vmx_index_free(j.index);
    return answer;
}

static void
run_commands(vmx_client *client)
{
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, stdin) > 0) {
        json_error_t why;
        json_t *command = json_loads(line, JSON_ALLOW_NUL, &why);
        if (command == NULL) {
            fprintf(stderr, "driver: %s\n", why.text);
            exit(2);
        }
        print(run_command(client, command));
        json_decref(command);
    }
    free(line);
}

static vmx_status
open_client(int argc, char **argv, vmx_client **client, vmx_error *error)
{
    vmx_config *config = vmx_config_new();
    vmx_status status = VMX_OK;
    for (int i = 1; i < argc && status == VMX_OK; i++) {
        const char *equals = strchr(argv[i], '=');
        vmx_str name = {argv[i], (size_t)(equals - argv[i])};
        status = vmx_config_set(config, name, vmx_str_from(equals + 1), error);
    }
    if (status == VMX_OK)
        status = vmx_client_open(config, client, error);
    vmx_config_free(config);
    return status;
}

int
main(int argc, char **argv)
{
    vmx_client *client = NULL;
    vmx_error error;
    vmx_status status = open_client(argc, argv, &client, &error);
    print(answer_of(status, &error)); /* the first line: how opening went */
    if (status != VMX_OK)
        return 0;
    run_commands(client);
    status = vmx_client_close(client, 10000, &error);
    vmx_client_free(client);
    return status == VMX_OK ? 0 : 1;
}
