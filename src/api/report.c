#include "api/report.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

void
vmx_report_opened(const vmx_client *client)
{
    if (!vmx_log_wants(client->log, VMX_LOG_EVENT_CLIENT_OPENED))
        return;
    const vmx_log_field fields[] = {
        vmx_log_text("engine", vmx_config_text(client->config, "engine")),
        vmx_log_integer("channels", vmx_config_int(client->config, "channel.count")),
        vmx_log_bool("tls", client->caller.tls),
        vmx_log_integer("io_threads", client->host.driven ? 0 : (int64_t)client->transport->loop_count),
        vmx_log_text("version", vmx_version()),
    };
    vmx_log_write(client->log, VMX_LOG_EVENT_CLIENT_OPENED, fields, COUNT(fields));
}

void
vmx_report_closed(const vmx_client *client)
{
    if (client->pool == NULL || !vmx_log_wants(client->log, VMX_LOG_EVENT_CLIENT_CLOSED))
        return;
    const vmx_log_field fields[] = {
        vmx_log_bool("freed", client->freed),
        vmx_log_integer("unreported", (int64_t)vmx_log_suppressed(client->log)),
    };
    vmx_log_write(client->log, VMX_LOG_EVENT_CLIENT_CLOSED, fields, COUNT(fields));
}

void
vmx_report_close_timeout(const vmx_client *client, int64_t timeout_ms, const char *running)
{
    if (!vmx_log_wants(client->log, VMX_LOG_EVENT_CLOSE_TIMEOUT))
        return;
    const vmx_log_field fields[] = {
        vmx_log_integer("timeout_ms", timeout_ms),
        vmx_log_text("running", running),
    };
    vmx_log_write(client->log, VMX_LOG_EVENT_CLOSE_TIMEOUT, fields, COUNT(fields));
}
