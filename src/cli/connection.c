#include "connection.h"

#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define API_KEY_MAX      4096
#define CLOSE_TIMEOUT_MS 5000

void
cli_connection_init(cli_connection *connection)
{
    cli_connection *c = connection;
    *c = (cli_connection){.name_space = "", .collection = ""};
    const cli_option options[] = {
        {"endpoint", "HOST:PORT", CLI_TEXT, &c->endpoint, "The server; the property endpoint.", 0, 0},
        {"api-key", "KEY", CLI_TEXT, &c->api_key,
         "The key; other users of this machine can read it from the command line, so prefer the next.", 0, 0},
        {"api-key-file", "FILE", CLI_TEXT, &c->api_key_file, "The key is the first line of this file.", 0, 0},
        {"namespace", "NAME", CLI_TEXT, &c->name_space, "The namespace (default: the default namespace, \"\").", 0, 0},
        {"collection", "NAME", CLI_TEXT, &c->collection, "The collection; a Pinecone endpoint is one already.", 0, 0},
        {"timeout-ms", "N", CLI_NUMBER, &c->timeout_ms,
         "Limit of each operation, repeated attempts included (default: property call.timeout.ms).", 1,
         (uint64_t)INT64_MAX},
        {"set", "NAME=VALUE", CLI_REPEAT, &c->sets,
         "Any property of docs/CONFIGURATION.md; may be given several times.", 0, 0},
        {"config", "FILE", CLI_TEXT, &c->config_file, "Reads properties from a file of lines `name = value`.", 0, 0},
        {"env", NULL, CLI_FLAG, &c->env,
         "Reads properties from the environment too: VECMUX_ENDPOINT, VECMUX_API_KEY and so on.", 0, 0},
        {"metrics-listen", "ADDRESS:PORT", CLI_TEXT, &c->metrics_listen,
         "Serves statistics to Prometheus, GET /metrics, while the command runs; see docs/metrics.md.", 0, 0},
        {"metrics-file", "FILE", CLI_TEXT, &c->metrics_file,
         "Keeps the same text in a file, replaced every two seconds and at the end.", 0, 0},
        {"stats", "FORMAT", CLI_TEXT, &c->stats, "Prints the statistics on stderr at the end: json or prometheus.", 0,
         0},
    };
    c->option_count = sizeof options / sizeof *options;
    memcpy(c->options, options, sizeof options);
}

void
cli_connection_free(cli_connection *connection)
{
    cli_texts_free(&connection->sets);
}

static bool
set_text(vmx_config *config, const char *name, const char *value)
{
    vmx_error error;
    if (!value || vmx_config_set(config, VMX_STR(name), VMX_STR(value), &error) == VMX_OK)
        return true;
    cli_error("%s", error.message);
    return false;
}

static bool
set_pairs(vmx_config *config, const cli_texts *pairs)
{
    for (size_t i = 0; i < pairs->count; i++) {
        const char *equals = strchr(pairs->ptr[i], '=');
        if (!equals) {
            cli_error("--set \"%s\": no \"=\"; write --set name=value", pairs->ptr[i]);
            return false;
        }
        vmx_error error;
        vmx_str name = {pairs->ptr[i], (size_t)(equals - pairs->ptr[i])};
        if (vmx_config_set(config, name, VMX_STR(equals + 1), &error) != VMX_OK) {
            cli_error("--set %s", error.message);
            return false;
        }
    }
    return true;
}

/* The file's first line, without its end; NULL, or what is wrong. */
static const char *
read_key(const char *path, char key[API_KEY_MAX], size_t *length)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return strerror(errno);
    size_t count = fread(key, 1, API_KEY_MAX, file);
    const char *wrong = ferror(file) ? strerror(errno) : NULL;
    fclose(file);
    const char *end = memchr(key, '\n', count);
    *length = end ? (size_t)(end - key) : count;
    if (*length > 0 && key[*length - 1] == '\r')
        --*length;
    if (!wrong && *length == 0)
        wrong = "no key in its first line";
    if (!wrong && *length == API_KEY_MAX)
        wrong = "its first line is too long for a key";
    return wrong;
}

static bool
set_key_of_file(vmx_config *config, const char *path)
{
    if (!path)
        return true;
    char key[API_KEY_MAX];
    size_t length;
    const char *wrong = read_key(path, key, &length);
    vmx_error error;
    if (!wrong && vmx_config_set(config, VMX_STR("api.key"), (vmx_str){key, length}, &error) != VMX_OK)
        wrong = error.message;
    explicit_bzero(key, sizeof key);
    if (wrong)
        cli_error("--api-key-file \"%s\": %s", path, wrong);
    return !wrong;
}

static bool
load_sources(vmx_config *config, const cli_connection *connection)
{
    vmx_error error;
    if (connection->config_file && vmx_config_load_file(config, VMX_STR(connection->config_file), &error) != VMX_OK) {
        cli_error("%s", error.message);
        return false;
    }
    if (connection->env && vmx_config_load_env(config, &error) != VMX_OK) {
        cli_error("%s", error.message);
        return false;
    }
    return true;
}

vmx_config *
cli_connection_config(const cli_connection *connection)
{
    vmx_config *config = vmx_config_new();
    if (!config) {
        cli_error("out of memory");
        return NULL;
    }
    if (load_sources(config, connection) && set_pairs(config, &connection->sets) &&
        set_text(config, "endpoint", connection->endpoint) && set_text(config, "api.key", connection->api_key) &&
        set_key_of_file(config, connection->api_key_file))
        return config;
    vmx_config_free(config);
    return NULL;
}

static bool
check_stats(const char *format)
{
    if (!format || strcmp(format, "json") == 0 || strcmp(format, "prometheus") == 0)
        return true;
    cli_error("--stats \"%s\": give json or prometheus", format);
    return false;
}

/* On stderr: stdout has the command's own lines. */
static void
print_stats(const cli_session *session)
{
    vmx_stats *stats;
    vmx_str text;
    vmx_error error;
    bool json = strcmp(session->stats, "json") == 0;
    vmx_status status = vmx_client_stats(session->client, &stats, &error);
    if (status == VMX_OK)
        status = vmx_stats_text(stats, json ? VMX_STATS_JSON : VMX_STATS_PROMETHEUS, &text, &error);
    if (status == VMX_OK)
        fwrite(text.ptr, 1, text.len, stderr);
    else
        cli_error("%s", error.message);
    vmx_stats_free(stats);
}

int
cli_session_open(const cli_connection *connection, cli_session *session)
{
    *session = (cli_session){0};
    if (!check_stats(connection->stats))
        return CLI_USAGE;
    vmx_call_options_init(&session->options, sizeof session->options);
    session->options.timeout_ms = (int64_t)connection->timeout_ms;
    vmx_config *config = cli_connection_config(connection);
    if (!config)
        return CLI_USAGE;
    vmx_error error;
    vmx_status status = vmx_client_open(config, &session->client, &error);
    vmx_config_free(config);
    if (status == VMX_OK && !connection->no_index)
        status = vmx_index_open(session->client, VMX_STR(connection->collection), VMX_STR(connection->name_space),
                                &session->index, &error);
    const metrics_exporter_options metrics = {"vecmux", connection->metrics_listen, connection->metrics_file};
    int code = CLI_USAGE;
    if (status == VMX_OK) /* its results are exit codes */
        code = (int)metrics_exporter_start(session->client, &metrics, &session->exporter);
    else
        cli_error("%s", error.message);
    if (code != CLI_OK)
        cli_session_close(session);
    else
        session->stats = connection->stats;
    return code;
}

void
cli_session_close(cli_session *session)
{
    vmx_index_free(session->index);
    if (session->client)
        vmx_client_close(session->client, CLOSE_TIMEOUT_MS, NULL);
    metrics_exporter_stop(session->exporter);
    if (session->stats)
        print_stats(session);
    vmx_client_free(session->client);
    *session = (cli_session){0};
}

int
cli_session_run(cli_usage *usage, int argc, char **argv,
                int (*body)(const cli_session *session, const cli_texts *arguments, void *user), void *user)
{
    int positional;
    cli_connection connection;
    cli_session session;
    cli_connection_init(&connection);
    usage->common = connection.options;
    usage->common_count = connection.option_count;
    connection.no_index = usage->no_index;
    int code = cli_parse(usage, argc, argv, &positional);
    if (code < 0 && (code = cli_session_open(&connection, &session)) == CLI_OK) {
        cli_texts arguments = {(const char **)(argv + positional), (size_t)(argc - positional)};
        code = body(&session, &arguments, user);
        cli_session_close(&session);
    }
    cli_connection_free(&connection);
    return code;
}

bool
cli_session_wait(vmx_status status, const vmx_error *error, vmx_op *op)
{
    if (status == VMX_OK && vmx_op_wait(op, VMX_FOREVER) == VMX_OK)
        return true;
    cli_error("%s", (status == VMX_OK ? vmx_op_error(op) : error)->message);
    return false;
}

bool
cli_session_wait_visible(const cli_session *session, uint64_t lsn)
{
    vmx_op *op = NULL;
    vmx_error error;
    vmx_status status = vmx_index_wait_visible(session->index, lsn, &session->options, &op, &error);
    bool visible = cli_session_wait(status, &error, op);
    vmx_op_free(op);
    return visible;
}
