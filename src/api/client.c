#include "api/client.h"

#include <stdio.h>
#include <string.h>

#include "api/pools.h"
#include "api/report.h"
#include "core/alloc.h"
#include "core/error.h"
#include "core/sized.h"
#include "core/sync.h"
#include "op/queue.h"
#include "rpc/retry.h"
#include "transport/grpc/grpc_transport.h"

#define OWNER(host) ((vmx_client *)(host))

/* --- what the host asks -------------------------------------------------------------------------------------------- */

uint64_t
vmx_client_now(const vmx_client *client)
{
    vmx_transport *clock = client->clock;
    return clock != NULL ? clock->vtable->now(clock) : vmx_monotonic_us();
}

static uint64_t
client_now(vmx_host *host)
{
    return vmx_client_now(OWNER(host));
}

static size_t
client_drive(vmx_host *host, uint64_t deadline_us)
{
    vmx_transport *transport = OWNER(host)->transport;
    return transport->vtable->drive(transport->loops[0], deadline_us);
}

static void
client_wake(vmx_host *host)
{
    vmx_transport *transport = OWNER(host)->transport;
    if (transport->driven)
        transport->vtable->wake(transport->loops[0]);
}

static void
note_gone(vmx_client *client)
{
    vmx_lock_acquire(&client->host.lock);
    client->gone = true;
    pthread_cond_broadcast(&client->host.changed);
    vmx_lock_release(&client->host.lock);
}

static void
await_gone(vmx_client *client)
{
    vmx_lock_acquire(&client->host.lock);
    while (!client->gone)
        vmx_lock_wait(&client->host.lock, &client->host.changed, VMX_NEVER);
    vmx_lock_release(&client->host.lock);
}

/* Ends transport and pool, once. With `wait`, nothing of them is left afterwards, whoever ends them. */
static void
tear_down(vmx_client *client, bool wait)
{
    if (atomic_exchange(&client->torn_down, true)) {
        if (wait)
            await_gone(client);
        return;
    }
    vmx_host_stop_driving(&client->host);
    vmx_run_store_close(&client->runs);
    vmx_workers_stop(client->workers, wait);
    vmx_pools_close(client);
    if (client->clock != NULL)
        client->clock = NULL;
    vmx_report_closed(client);
    client->transport->vtable->shutdown(client->transport, wait);
    if (wait)
        note_gone(client);
}

static void
client_drained(vmx_host *host)
{
    if (atomic_load(&OWNER(host)->freed))
        tear_down(OWNER(host), false);
}

static void
client_destroy(vmx_host *host)
{
    vmx_client *client = OWNER(host);
    vmx_pools_free(client);
    vmx_latency_destroy(&client->caller.reads);
    vmx_engine_fini(&client->engine);
    vmx_ledger_destroy(&client->ledger);
    vmx_index_tallies_destroy(&client->builds.by_index);
    vmx_meter_free(client->caller.meter);
    vmx_buffer_free(&client->authorities);
    vmx_log_close(client->log);
    if (client->memory != NULL)
        vmx_memory_detach(client->memory);
    if (client->replies != NULL)
        vmx_memory_detach(client->replies);
    vmx_workers_free(client->workers);
    vmx_config_free(client->config);
    vmx_run_store_destroy(&client->runs);
    pthread_mutex_destroy(&client->streams_lock);
    vmx_host_destroy(host);
    vmx_dealloc(client);
}

/* Nobody will drive a freed client: let its cancelled operations end now, as far as they do without waiting. */
static void
drive_to_end(vmx_client *client)
{
    for (int i = 0; i < 1000 && client->host.driven; i++) {
        uint64_t now_us = vmx_client_now(client);
        if (vmx_host_wait_idle(&client->host, now_us) || atomic_load(&client->torn_down))
            return;
        vmx_host_drive(&client->host, now_us, NULL, NULL);
    }
}

/* The rest of vmx_client_free; without anybody of this thread inside drive. */
static void
finish_free(vmx_host *host)
{
    drive_to_end(OWNER(host));
    if (vmx_host_wait_idle(host, 0))
        tear_down(OWNER(host), false);
    vmx_host_release(host);
}

static const vmx_host_vtable host_vtable = {
    .now = client_now,
    .drive = client_drive,
    .wake = client_wake,
    .drained = client_drained,
    .left = finish_free,
    .destroy = client_destroy,
};

/* --- opening ------------------------------------------------------------------------------------------------------- */

/* auto: as the scheme says; without one, plain text to this machine and TLS to any other. */
static bool
wants_tls(const vmx_config *config, const vmx_endpoint *endpoint)
{
    const char *tls = vmx_config_text(config, "tls");
    if (strcmp(tls, "auto") != 0)
        return strcmp(tls, "on") == 0;
    if (endpoint->scheme != VMX_SCHEME_NONE)
        return endpoint->scheme == VMX_SCHEME_HTTPS;
    return !endpoint->is_loopback;
}

/* The authorities to trust: a file's and a text's, or neither. */
static bool
read_authorities(vmx_client *client)
{
    vmx_str file = vmx_config_file(client->config, "tls.ca.file");
    vmx_buffer_append(&client->authorities, file.ptr, file.len);
    vmx_buffer_append_text(&client->authorities, "\n");
    vmx_buffer_append_text(&client->authorities, vmx_config_text(client->config, "tls.ca.pem"));
    if (client->authorities.len == 1)
        client->authorities.len = 0;
    return !client->authorities.failed;
}

static vmx_status
read_config(vmx_client *client, vmx_error *error)
{
    const vmx_config *config = client->config;
    vmx_str endpoint = vmx_str_from(vmx_config_text(config, "endpoint"));
    if (endpoint.len == 0)
        return vmx_error_set(error, VMX_ERR_INVALID, "client: no endpoint; set the property endpoint to host:port");
    vmx_status status = vmx_endpoint_parse_list(endpoint, client->endpoints, &client->endpoint_count, error);
    if (status != VMX_OK)
        return status;
    vmx_retry_from_config(&client->retry, config);
    status = vmx_retry_check(&client->retry, error);
    if (status != VMX_OK)
        return status;
    client->call_timeout_ms = vmx_config_int(config, "call.timeout.ms");
    client->wait_for_ready = vmx_config_bool(config, "wait.for.ready");
    const char *product = vmx_config_text(config, "user.agent");
    snprintf(client->user_agent, sizeof client->user_agent, "%s%svecmux/%s", product, product[0] != '\0' ? " " : "",
             vmx_version());
    status = vmx_engine_init(&client->engine, config, client->endpoints[0].host, error);
    if (status != VMX_OK)
        return status;
    return read_authorities(client) ? VMX_OK : vmx_error_no_memory(error);
}

static void
on_memory_changed(void *user)
{
    vmx_host_changed(user);
}

static vmx_status
make_memory_and_workers(vmx_client *client, vmx_error *error)
{
    size_t limit_bytes = (size_t)vmx_config_int(client->config, "memory.limit.bytes");
    client->memory = vmx_memory_new(limit_bytes, on_memory_changed, &client->host);
    client->replies = vmx_memory_new((size_t)vmx_config_int(client->config, "memory.reply.limit.bytes"), NULL, NULL);
    client->workers = vmx_workers_new((size_t)vmx_config_int(client->config, "worker.threads"));
    return client->memory != NULL && client->replies != NULL && client->workers != NULL ? VMX_OK
                                                                                        : vmx_error_no_memory(error);
}

static void
init_caller(vmx_client *client, uint64_t seed)
{
    const vmx_config *config = client->config;
    vmx_caller *caller = &client->caller;
    atomic_init(&caller->next_seed, seed);
    caller->classify = client->engine.vtable->classify;
    caller->endpoint = vmx_config_text(config, "endpoint");
    caller->tls = wants_tls(config, &client->endpoints[0]);
    caller->receive_ahead_bytes = vmx_pools_ahead_bytes(config);
    vmx_budget_init(&caller->budget, vmx_config_int(config, "retry.budget.tokens"),
                    vmx_config_float(config, "retry.budget.ratio"));
    vmx_pace_init(&caller->cancels, (uint32_t)vmx_config_int(config, "hedge.cancels.per.second"));
}

/* The threads of a transport of its own are a property; one that was given has its own clock. */
static vmx_status
open_transport(vmx_client *client, vmx_error *error)
{
    vmx_status status = VMX_OK;
    if (client->transport != NULL) {
        client->clock = client->transport;
        client->host.driven = client->transport->driven;
    } else {
        size_t io_threads = (size_t)vmx_config_int(client->config, "io.threads");
        client->host.driven = io_threads == 0;
        status = vmx_grpc_transport_new(io_threads, &client->transport, error);
        if (status == VMX_OK && !vmx_config_bool(client->config, "signals.block"))
            vmx_grpc_transport_leave_signals(client->transport);
    }
    if (status == VMX_OK)
        vmx_caller_set_transport(&client->caller, client->transport);
    return status;
}

static vmx_status
connect_client(vmx_client *client, uint64_t seed, vmx_error *error)
{
    vmx_status status = read_config(client, error);
    if (status == VMX_OK)
        status = make_memory_and_workers(client, error);
    if (status != VMX_OK)
        return status;
    init_caller(client, seed);
    status = vmx_log_open_config(client->config, &client->log, error);
    if (status != VMX_OK)
        return status;
    client->caller.log = client->log;
    status = open_transport(client, error);
    if (status != VMX_OK)
        return status;
    vmx_report_opened(client);
    return vmx_pools_open(client, error);
}

/* A client that could not be opened. */
static void
abandon(vmx_client *client)
{
    if (client->transport != NULL)
        tear_down(client, true);
    vmx_host_release(&client->host);
}

static vmx_client *
client_new(const vmx_config *config)
{
    vmx_client *client = vmx_calloc(1, sizeof *client);
    if (client == NULL)
        return NULL;
    if (!vmx_host_init(&client->host, &host_vtable, false)) {
        vmx_dealloc(client);
        return NULL;
    }
    vmx_latency_init(&client->caller.reads);
    pthread_mutex_init(&client->streams_lock, NULL);
    vmx_run_store_init(&client->runs);
    vmx_ledger_init(&client->ledger);
    vmx_index_tallies_init(&client->builds.by_index);
    client->caller.meter = vmx_meter_new();
    client->config = vmx_config_copy(config);
    if (client->config == NULL || client->caller.meter == NULL) {
        vmx_host_release(&client->host);
        return NULL;
    }
    return client;
}

vmx_status
vmx_client_open_on(const vmx_config *config, vmx_transport *transport, uint64_t seed, vmx_client **out,
                   vmx_error *error)
{
    *out = NULL;
    vmx_client *client = client_new(config);
    if (client == NULL) {
        if (transport != NULL)
            transport->vtable->shutdown(transport, true);
        return vmx_error_no_memory(error);
    }
    client->transport = transport;
    vmx_status status = connect_client(client, seed, error);
    if (status != VMX_OK)
        abandon(client);
    else
        *out = client;
    return status;
}

vmx_status
vmx_client_open(const vmx_config *config, vmx_client **client, vmx_error *error)
{
    vmx_random random;
    *client = NULL;
    if (vmx_forked())
        return vmx_error_set(error, VMX_ERR_FORKED,
                             "client: this process was forked after vecmux was used; spawn, do not fork");
    vmx_fork_watch();
    vmx_random_seed_system(&random);
    return vmx_client_open_on(config, NULL, vmx_random_next(&random), client, error);
}

vmx_status
vmx_client_check_open(vmx_client *client, vmx_error *error)
{
    if (vmx_forked())
        return vmx_error_set(error, VMX_ERR_FORKED,
                             "this process was forked after vecmux was used; spawn, do not fork");
    bool closing = atomic_load_explicit(&client->host.closing, memory_order_relaxed);
    return closing ? vmx_error_set(error, VMX_ERR_CLOSED, "the client is closed; open a new one") : VMX_OK;
}

/* --- closing ------------------------------------------------------------------------------------------------------- */

vmx_status
vmx_client_close(vmx_client *client, int64_t timeout_ms, vmx_error *error)
{
    if (vmx_forked())
        return vmx_error_set(error, VMX_ERR_FORKED, "close: this process was forked; the client is its parent's");
    if (vmx_callback_inside())
        return vmx_error_set(error, VMX_ERR_WOULD_DEADLOCK, "close: called from inside a callback of this library");
    vmx_host_close(&client->host);
    if (!vmx_host_wait_idle(&client->host, vmx_deadline_us(vmx_client_now(client), timeout_ms))) {
        char running[256];
        vmx_host_describe_running(&client->host, running, sizeof running);
        vmx_report_close_timeout(client, timeout_ms, running);
        return vmx_error_set(error, VMX_ERR_TIMEOUT, "close: still running after %lld ms: %s; close again, or free",
                             (long long)timeout_ms, running);
    }
    tear_down(client, true);
    return VMX_OK;
}

void
vmx_client_free(vmx_client *client)
{
    if (client == NULL || vmx_forked())
        return;
    atomic_store(&client->freed, true);
    vmx_host_close(&client->host);
    vmx_host_cancel_all(&client->host);
    if (!vmx_host_leave_to_driver(&client->host)) /* in a callback */
        finish_free(&client->host);
}

/* --- looking ------------------------------------------------------------------------------------------------------- */

size_t
vmx_client_poll(vmx_client *client, int64_t timeout_ms)
{
    if (!client->host.driven || vmx_forked() || vmx_callback_inside())
        return 0;
    return vmx_host_drive(&client->host, vmx_deadline_us(vmx_client_now(client), timeout_ms), NULL, NULL);
}

vmx_status
vmx_client_reopen_log(vmx_client *client, vmx_error *error)
{
    if (vmx_forked())
        return vmx_error_set(error, VMX_ERR_FORKED, "log: this process was forked; the client is its parent's");
    return vmx_log_reopen(client->log, error);
}

void
vmx_channel_info_init(vmx_channel_info *info, size_t size)
{
    vmx_sized_init(info, size);
}

bool
vmx_client_supports(const vmx_client *client, vmx_capability capability)
{
    return vmx_capability_of(client->engine.vtable, capability);
}

vmx_status
vmx_queue_new(vmx_client *client, vmx_queue **queue, vmx_error *error)
{
    *queue = NULL;
    if (vmx_forked())
        return vmx_error_set(error, VMX_ERR_FORKED, "queue: this process was forked; spawn, do not fork");
    return vmx_queue_create(&client->host, queue, error);
}
