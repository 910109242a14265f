#include "session.h"

#include <stdio.h>
#include <string.h>

#define CLOSE_TIMEOUT_MS    10000
#define DEFAULT_MAX_STREAMS 100

static bool
set(vmx_config *config, const char *name, const char *value, vmx_error *error)
{
    return vmx_config_set(config, vmx_str_from(name), vmx_str_from(value), error) == VMX_OK;
}

static bool
set_number(vmx_config *config, const char *name, size_t value, vmx_error *error)
{
    char text[24];
    snprintf(text, sizeof text, "%zu", value);
    return set(config, name, text, error);
}

static bool
set_extra(vmx_config *config, const bench_options *options, vmx_error *error)
{
    for (size_t i = 0; i < options->setting_count; i++) {
        const char *text = options->settings[i], *equals = strchr(text, '=');
        vmx_str name = {text, (size_t)(equals - text)};
        if (vmx_config_set(config, name, vmx_str_from(equals + 1), error) != VMX_OK)
            return false;
    }
    return true;
}

static bool
configure(vmx_config *config, const bench_options *options, size_t channels, size_t in_flight, vmx_error *error)
{
    size_t streams = in_flight > DEFAULT_MAX_STREAMS ? in_flight : DEFAULT_MAX_STREAMS;
    bool good = set(config, "endpoint", options->endpoint, error) &&
                set(config, "tls", options->tls_ca ? "on" : "off", error) &&
                set_number(config, "io.threads", options->driven ? 0 : 1, error) &&
                set(config, "signals.block", "false", error) && /* it handles none, and nor do its peers block them */
                set_number(config, "channel.count", channels, error) &&
                set_number(config, "channel.max.streams", streams, error);
    if (good && options->tls_ca)
        good = set(config, "tls.ca.file", options->tls_ca, error);
    if (good && options->api_key)
        good = set(config, "api.key", options->api_key, error);
    return good && set_extra(config, options, error);
}

bool
bench_session_open(bench_session *session, const bench_options *options, size_t channels, size_t in_flight)
{
    vmx_error error = {.message = "out of memory"};
    *session = (bench_session){0};
    vmx_config *config = vmx_config_new();
    bool good = config && configure(config, options, channels, in_flight, &error) &&
                vmx_client_open(config, &session->client, &error) == VMX_OK &&
                vmx_index_open(session->client, VMX_STR(""), VMX_STR(""), &session->index, &error) == VMX_OK &&
                vmx_queue_new(session->client, &session->queue, &error) == VMX_OK;
    vmx_config_free(config);
    if (!good)
        fprintf(stderr, "bench: %s\n", error.message);
    const metrics_exporter_options metrics = {"bench", options->metrics_listen, options->metrics_file};
    return good && metrics_exporter_start(session->client, &metrics, &session->exporter) == METRICS_EXPORTER_OK;
}

void
bench_session_close(bench_session *session)
{
    vmx_error error;
    vmx_queue_free(session->queue);
    vmx_index_free(session->index);
    if (session->client && vmx_client_close(session->client, CLOSE_TIMEOUT_MS, &error) != VMX_OK)
        fprintf(stderr, "bench: close: %s\n", error.message);
    metrics_exporter_stop(session->exporter);
    vmx_client_free(session->client);
    *session = (bench_session){0};
}
