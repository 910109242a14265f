/*
 * The connections of calls, and those of a build's streams. They are not the same ones: a chunk of a megabyte on its way would
 * be in front of every small call behind it; and where gRPC core is to keep up with large replies over a long way, it must
 * probe for bandwidth and open wide windows, which for streams would fill memory that nobody has reserved.
 */
#include "api/pools.h"

#include "core/error.h"

/* The pool's channels hold one reference together. */
static void
on_pool_closed(void *user)
{
    vmx_client *client = user;
    vmx_host_release(&client->host);
}

/* --- opening ------------------------------------------------------------------------------------------------------- */

static const char *
text_or_null(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

/* A 128th of the memory: the streams of a build, 16 at most and two of these each, stay within a quarter. More than 256 KiB do
 * not make downloads faster. */
size_t
vmx_pools_ahead_bytes(const vmx_config *config)
{
    const int64_t least = 4096, most = 262144;
    int64_t share = vmx_config_int(config, "memory.limit.bytes") / 128;
    return (size_t)(share < least ? least : share > most ? most : share);
}

static vmx_channel_options
channel_options(const vmx_client *client)
{
    const vmx_config *config = client->config;
    const char *proxy = client->endpoints[0].is_loopback ? "" : vmx_config_text(config, "proxy");
    return (vmx_channel_options){
        .tls = client->caller.tls,
        .ca_pem = {(const char *)client->authorities.data, client->authorities.len},
        .server_name = text_or_null(vmx_config_text(config, "tls.server.name")),
        .user_agent = client->user_agent,
        .proxy = text_or_null(proxy),
        .receive_limit_bytes = vmx_config_int(config, "receive.limit.bytes"),
        .keepalive_time_ms = vmx_config_int(config, "keepalive.time.ms"),
        .keepalive_timeout_ms = vmx_config_int(config, "keepalive.timeout.ms"),
        .reconnect_initial_ms = vmx_config_int(config, "reconnect.initial.ms"),
        .reconnect_max_ms = vmx_config_int(config, "reconnect.max.ms"),
    };
}

static vmx_health_rules
health_rules(const vmx_config *config)
{
    return (vmx_health_rules){
        .consecutive = (uint32_t)vmx_config_int(config, "outlier.consecutive"),
        .rate_percent = (uint32_t)vmx_config_int(config, "outlier.rate.percent"),
        .min_calls = (uint32_t)vmx_config_int(config, "outlier.min.calls"),
        .first_pause_ms = vmx_config_int(config, "outlier.pause.ms"),
        .max_pause_ms = vmx_config_int(config, "outlier.max.pause.ms"),
    };
}

static vmx_pool_options
pool_options(vmx_client *client)
{
    const vmx_config *config = client->config;
    return (vmx_pool_options){
        .channel_count = (size_t)vmx_config_int(config, "channel.count"),
        .max_streams = (size_t)vmx_config_int(config, "channel.max.streams"),
        .adaptive = vmx_config_bool(config, "concurrency.adaptive"),
        .health = health_rules(config),
        .max_age_ms = vmx_config_int(config, "channel.max.age.ms"),
        .random_seed = atomic_load(&client->caller.next_seed),
        .targets = client->targets,
        .target_count = client->endpoint_count,
        .channel = channel_options(client),
        .log = client->log,
        .closed = on_pool_closed,
        .user = client,
    };
}

/* A pool of which some channels could not be opened must be closed as any other. */
static vmx_status
open_pool(vmx_client *client, const vmx_pool_options *options, vmx_pool **pool, vmx_error *error)
{
    vmx_host_acquire(&client->host); /* for on_pool_closed */
    vmx_status status = vmx_pool_new(client->transport, options, pool, error);
    if (*pool == NULL)
        vmx_host_release(&client->host);
    return status;
}

vmx_status
vmx_pools_open(vmx_client *client, vmx_error *error)
{
    for (size_t i = 0; i < client->endpoint_count; i++)
        client->targets[i] = client->endpoints[i].target;
    vmx_pool_options options = pool_options(client);
    vmx_status status = open_pool(client, &options, &client->pool, error);
    client->caller.pool = client->pool;
    return status;
}

static vmx_pool *
streams_of(vmx_client *client)
{
    return atomic_load_explicit(&client->caller.streams, memory_order_acquire);
}

static vmx_status
open_streams_locked(vmx_client *client, vmx_error *error)
{
    if (atomic_load(&client->torn_down))
        return vmx_error_set(error, VMX_ERR_CLOSED, "the client is closed; open a new one");
    vmx_pool_options options = pool_options(client);
    options.first_channel = vmx_pool_count(client->pool);
    options.channel.receive_ahead_bytes = (int64_t)client->caller.receive_ahead_bytes;
    vmx_status status = open_pool(client, &options, &client->streams, error);
    if (status == VMX_OK)
        atomic_store_explicit(&client->caller.streams, client->streams, memory_order_release);
    return status;
}

vmx_status
vmx_pools_open_streams(vmx_client *client, vmx_error *error)
{
    pthread_mutex_lock(&client->streams_lock);
    vmx_status status = VMX_OK;
    if (client->streams == NULL)
        status = open_streams_locked(client, error);
    else if (streams_of(client) == NULL) /* there was no memory for all of its channels */
        status = vmx_error_no_memory(error);
    pthread_mutex_unlock(&client->streams_lock);
    return status;
}

/* --- closing ------------------------------------------------------------------------------------------------------- */

void
vmx_pools_close(vmx_client *client)
{
    pthread_mutex_lock(&client->streams_lock); /* nobody opens one after torn_down was set and this */
    vmx_pool *streams = client->streams;
    pthread_mutex_unlock(&client->streams_lock);
    if (streams != NULL)
        vmx_pool_close(streams);
    if (client->pool != NULL)
        vmx_pool_close(client->pool);
}

void
vmx_pools_free(vmx_client *client)
{
    if (client->streams != NULL)
        vmx_pool_free(client->streams);
    if (client->pool != NULL)
        vmx_pool_free(client->pool);
}

/* --- looking ------------------------------------------------------------------------------------------------------- */

void
vmx_pools_read(vmx_client *client, vmx_pool_figures *figures)
{
    vmx_pool_figures streams = {0};
    vmx_pool_read(client->pool, figures);
    if (streams_of(client) != NULL)
        vmx_pool_read(streams_of(client), &streams);
    figures->in_flight += streams.in_flight;
    figures->waiting += streams.waiting;
}

size_t
vmx_client_channel_count(const vmx_client *client)
{
    const vmx_pool *streams = atomic_load_explicit(&client->caller.streams, memory_order_acquire);
    return vmx_pool_count(client->pool) + (streams != NULL ? vmx_pool_count(streams) : 0);
}

bool
vmx_client_channel(const vmx_client *client, size_t i, vmx_channel_info *info)
{
    uint64_t now_us = vmx_client_now(client);
    vmx_pool *streams = atomic_load_explicit(&client->caller.streams, memory_order_acquire);
    if (vmx_pool_info(client->pool, i, now_us, info))
        return true;
    return streams != NULL && vmx_pool_info(streams, i - vmx_pool_count(client->pool), now_us, info);
}
