#include <stdio.h>

#include "api/client.h"
#include "api/pools.h"
#include "core/alloc.h"
#include "core/error.h"
#include "core/sync.h"
#include "op/queue.h"
#include "rpc/failure.h"
#include "stats/snapshot.h"

/* --- calls --------------------------------------------------------------------------------------------------------- */

/* Series that are still 0 are shown where somebody will ask how fast they grow. */
static void
add_calls(vmx_stats *stats, const vmx_meter_figures *figures)
{
    for (size_t i = 0; i < VMX_METER_STATUSES; i++)
        if (figures->calls[i] > 0 || i == VMX_OK)
            vmx_stats_add(stats, VMX_M_CALLS, (double)figures->calls[i], figures->operation,
                          vmx_status_name((vmx_status)i));
}

static void
add_duration(vmx_stats *stats, const vmx_meter_figures *figures)
{
    vmx_stats_add_histogram(stats, VMX_M_CALL_DURATION, &figures->latency, figures->operation);
}

static void
add_attempts(vmx_stats *stats, const vmx_meter_figures *figures)
{
    for (int i = 0; i < VMX_METER_CODES; i++)
        if (figures->attempts[i] > 0 || i == VMX_GRPC_OK)
            vmx_stats_add(stats, VMX_M_ATTEMPTS, (double)figures->attempts[i], figures->operation,
                          i < VMX_METER_CODES - 1 ? vmx_grpc_code_name(i) : "NONE");
}

static void
add_retries(vmx_stats *stats, const vmx_meter_figures *figures)
{
    static const struct {
        vmx_attempt_why why;
        const char *reason;
    } reasons[] = {
        {VMX_ATTEMPT_RETRY, "status"},
        {VMX_ATTEMPT_TIMED_OUT, "timed_out"},
        {VMX_ATTEMPT_TRANSPARENT, "transparent"},
        {VMX_ATTEMPT_PUSHBACK, "pushback"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        vmx_stats_add(stats, VMX_M_RETRIES, (double)figures->whys[reasons[i].why], figures->operation,
                      reasons[i].reason);
}

static void
add_hedges(vmx_stats *stats, const vmx_meter_figures *figures)
{
    vmx_stats_add(stats, VMX_M_HEDGES, (double)figures->whys[VMX_ATTEMPT_HEDGE], figures->operation, NULL);
}

static void
add_sent(vmx_stats *stats, const vmx_meter_figures *figures)
{
    vmx_stats_add(stats, VMX_M_SENT_BYTES, (double)figures->sent_bytes, figures->operation, NULL);
}

static void
add_received(vmx_stats *stats, const vmx_meter_figures *figures)
{
    vmx_stats_add(stats, VMX_M_RECEIVED_BYTES, (double)figures->received_bytes, figures->operation, NULL);
}

/* The series of one metric stand together: metric by metric over all operations. */
static void
collect_calls(vmx_stats *stats, const vmx_client *client)
{
    static void (*const metrics[])(vmx_stats *, const vmx_meter_figures *) = {
        add_calls, add_duration, add_attempts, add_retries, add_hedges, add_sent, add_received,
    };
    vmx_meter_figures *figures;
    size_t count;
    if (!vmx_meter_read(client->caller.meter, &figures, &count)) {
        stats->failed = true;
        return;
    }
    for (size_t m = 0; m < sizeof metrics / sizeof metrics[0]; m++)
        for (size_t i = 0; i < count; i++)
            metrics[m](stats, &figures[i]);
    vmx_dealloc(figures);
}

/* --- the rest ------------------------------------------------------------------------------------------------------ */

/* Of a metric without labels. */
static void
add_plain(vmx_stats *stats, vmx_metric_id id, double value)
{
    vmx_stats_add(stats, id, value, NULL, NULL);
}

static void
collect_queues(vmx_stats *stats, vmx_client *client)
{
    vmx_queue_figures queues;
    vmx_queue_read(&client->host, &queues);
    add_plain(stats, VMX_M_OPERATIONS_RUNNING, (double)vmx_host_running_count(&client->host));
    add_plain(stats, VMX_M_QUEUES, (double)queues.queues);
    add_plain(stats, VMX_M_QUEUE_EVENTS, (double)queues.events);
}

static void
add_channel_metric(vmx_stats *stats, vmx_metric_id id, const vmx_channel_info *infos, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char number[24];
        const vmx_channel_info *info = &infos[i];
        double value = id == VMX_M_CHANNEL_CALLS        ? (double)info->calls_started
                       : id == VMX_M_CHANNEL_IN_FLIGHT  ? (double)info->calls_in_flight
                       : id == VMX_M_CHANNEL_RECONNECTS ? (double)info->reconnects
                       : id == VMX_M_CHANNEL_EJECTIONS  ? (double)info->ejections
                                                        : (double)info->ejected;
        snprintf(number, sizeof number, "%zu", i);
        vmx_stats_add(stats, id, value, number, NULL);
    }
}

static void
add_channel_states(vmx_stats *stats, const vmx_channel_info *infos, size_t count)
{
    static const char *const names[] = {"idle", "connecting", "ready", "failing", "closed"};
    for (vmx_channel_state state = VMX_CHANNEL_IDLE; state <= VMX_CHANNEL_CLOSED; state++) {
        size_t found = 0;
        for (size_t i = 0; i < count; i++)
            found += infos[i].state == state;
        vmx_stats_add(stats, VMX_M_CHANNELS, (double)found, names[state], NULL);
    }
}

static void
collect_channels(vmx_stats *stats, vmx_client *client)
{
    size_t count = vmx_client_channel_count(client);
    vmx_channel_info *infos = vmx_calloc(count, sizeof *infos);
    if (infos == NULL) {
        stats->failed = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        vmx_channel_info_init(&infos[i], sizeof infos[i]);
        vmx_client_channel(client, i, &infos[i]);
    }
    add_channel_states(stats, infos, count);
    for (vmx_metric_id id = VMX_M_CHANNEL_CALLS; id <= VMX_M_CHANNEL_EJECTED; id++)
        add_channel_metric(stats, id, infos, count);
    vmx_dealloc(infos);
}

static void
collect_gate(vmx_stats *stats, vmx_client *client)
{
    vmx_pool_figures figures;
    vmx_pools_read(client, &figures);
    const vmx_budget *budget = &client->caller.budget;
    add_plain(stats, VMX_M_GATE_LIMIT, figures.gate_limit);
    add_plain(stats, VMX_M_GATE_IN_FLIGHT, (double)figures.in_flight);
    add_plain(stats, VMX_M_GATE_WAITING, (double)figures.waiting);
    add_plain(stats, VMX_M_BUDGET_TOKENS, vmx_budget_tokens(budget));
    add_plain(stats, VMX_M_BUDGET_MAX_TOKENS, (double)budget->max_milli_tokens / 1000);
}

/* All values of one metric stand together. */
static void
add_accounts(vmx_stats *stats, vmx_metric_id metric, size_t send, size_t reply)
{
    vmx_stats_add(stats, metric, (double)send, "send", NULL);
    vmx_stats_add(stats, metric, (double)reply, "reply", NULL);
}

static void
collect_memory(vmx_stats *stats, vmx_client *client)
{
    static const char *const kinds[VMX_MEMORY_KINDS] = {
        [VMX_MEMORY_UPSERT] = "upserts", [VMX_MEMORY_BUILD] = "builds", [VMX_MEMORY_FILE] = "files"};
    vmx_memory_figures send, reply;
    vmx_memory_read(client->memory, &send);
    vmx_memory_read(client->replies, &reply);
    add_accounts(stats, VMX_M_MEMORY_LIMIT, send.limit_bytes, reply.limit_bytes);
    add_accounts(stats, VMX_M_MEMORY_USED, send.used_bytes, reply.used_bytes);
    add_accounts(stats, VMX_M_MEMORY_PEAK, send.peak_bytes, reply.peak_bytes);
    vmx_stats_add(stats, VMX_M_MEMORY_HELD, (double)send.writer_bytes, "batches", NULL);
    for (size_t kind = 0; kind < VMX_MEMORY_KINDS; kind++)
        vmx_stats_add(stats, VMX_M_MEMORY_HELD, (double)send.kind_bytes[kind], kinds[kind], NULL);
    vmx_stats_add(stats, VMX_M_MEMORY_HELD, (double)send.kept_bytes, "kept", NULL);
    add_accounts(stats, VMX_M_MEMORY_WAITING, send.waiting, reply.waiting);
}

static void
collect_writers(vmx_stats *stats, vmx_client *client)
{
    vmx_ledger_figures figures;
    vmx_ledger_read(&client->ledger, &figures);
    const vmx_writer_account *sum = &figures.sum;
    add_plain(stats, VMX_M_WRITERS, (double)figures.writers);
    add_plain(stats, VMX_M_WRITER_TAKEN, (double)sum->taken);
    add_plain(stats, VMX_M_WRITER_STORED, (double)sum->stored);
    add_plain(stats, VMX_M_WRITER_FAILED, (double)sum->failed);
    add_plain(stats, VMX_M_WRITER_DEAD_LETTERS, (double)sum->dead_letters);
    add_plain(stats, VMX_M_WRITER_DEAD_LETTERS_LOST, (double)sum->dead_letters_lost);
    add_plain(stats, VMX_M_WRITER_WAITING, (double)sum->waiting);
    add_plain(stats, VMX_M_WRITER_IN_FLIGHT, (double)sum->in_flight);
    add_plain(stats, VMX_M_WRITER_STORED_BYTES, (double)sum->stored_bytes);
    add_plain(stats, VMX_M_WRITER_BATCHES, (double)sum->batches);
    add_plain(stats, VMX_M_WRITER_BATCHES_IN_FLIGHT, (double)sum->batches_in_flight);
    add_plain(stats, VMX_M_WRITER_RETRIES, (double)sum->retries);
}

static void
add_tally(vmx_stats *stats, vmx_metric_id id, const vmx_build_tally *tally)
{
    vmx_stats_add(stats, id, (double)atomic_load(&tally->success), "success", NULL);
    vmx_stats_add(stats, id, (double)atomic_load(&tally->failure), "failure", NULL);
}

static void
add_seconds(vmx_stats *stats, vmx_metric_id id, const vmx_build_tally *tally)
{
    add_plain(stats, id, (double)atomic_load(&tally->duration_us) / 1e6);
}

/* The series of one metric after the other. */
static void
collect_indexes(vmx_stats *stats, vmx_index_tallies *tallies)
{
    static const char *const results[VMX_BUILD_RESULTS] = {"success", "fallback", "failure", "cancelled"};
    vmx_index_tally of[VMX_TALLIED_INDEXES + 1];
    size_t count = vmx_index_tallies_read(tallies, of);
    for (size_t i = 0; i < count; i++)
        for (size_t result = 0; result < VMX_BUILD_RESULTS; result++)
            vmx_stats_add(stats, VMX_M_BUILDS, (double)of[i].results[result], of[i].name, results[result]);
    for (size_t i = 0; i < count; i++)
        vmx_stats_add(stats, VMX_M_BUILDS_TIME, (double)of[i].duration_us / 1e6, of[i].name, NULL);
    for (size_t i = 0; i < count; i++) {
        vmx_stats_add(stats, VMX_M_BUILDS_BYTES, (double)of[i].sent_bytes, of[i].name, "sent");
        vmx_stats_add(stats, VMX_M_BUILDS_BYTES, (double)of[i].received_bytes, of[i].name, "received");
    }
}

static void
collect_builds(vmx_stats *stats, vmx_client *client)
{
    vmx_build_counters *builds = &client->builds;
    collect_indexes(stats, &builds->by_index);
    add_tally(stats, VMX_M_BUILD_UPLOADS, &builds->uploads);
    add_tally(stats, VMX_M_BUILD_DOWNLOADS, &builds->downloads);
    add_tally(stats, VMX_M_BUILD_TRIGGERS, &builds->triggers);
    add_tally(stats, VMX_M_BUILD_POLLS, &builds->polls);
    add_tally(stats, VMX_M_BUILD_JOBS, &builds->builds);
    add_seconds(stats, VMX_M_BUILD_UPLOAD_TIME, &builds->uploads);
    add_seconds(stats, VMX_M_BUILD_DOWNLOAD_TIME, &builds->downloads);
    add_seconds(stats, VMX_M_BUILD_TRIGGER_TIME, &builds->triggers);
    add_seconds(stats, VMX_M_BUILD_WAITING_TIME, &builds->builds);
    add_plain(stats, VMX_M_BUILD_FALLBACKS, (double)atomic_load(&builds->fallbacks));
    add_plain(stats, VMX_M_BUILD_SENT_BYTES, (double)atomic_load(&builds->uploaded_bytes));
    add_plain(stats, VMX_M_BUILD_RECEIVED_BYTES, (double)atomic_load(&builds->downloaded_bytes));
    add_plain(stats, VMX_M_BUILD_SPLICED_BYTES, (double)atomic_load(&builds->spliced_bytes));
    vmx_stats_add(stats, VMX_M_BUILD_RETRIES, (double)atomic_load(&builds->part_retries), "part", NULL);
    vmx_stats_add(stats, VMX_M_BUILD_RETRIES, (double)atomic_load(&builds->range_retries), "range", NULL);
    add_plain(stats, VMX_M_BUILD_BLOBS_LEFT, (double)atomic_load(&builds->blobs_left));
    vmx_stats_add(stats, VMX_M_BUILDS_RUNNING, (double)atomic_load(&builds->current_remote), "remote", NULL);
    vmx_stats_add(stats, VMX_M_BUILDS_RUNNING, (double)atomic_load(&builds->current_in_place), "in_place", NULL);
    add_plain(stats, VMX_M_BUILDS_RUNNING_BYTES, (double)atomic_load(&builds->current_bytes));
}

/* In the order of the table. */
static void
collect(vmx_stats *stats, vmx_client *client)
{
    vmx_stats_add(stats, VMX_M_INFO, 1, vmx_version(), client->engine.vtable->name);
    collect_calls(stats, client);
    collect_queues(stats, client);
    collect_channels(stats, client);
    collect_gate(stats, client);
    collect_memory(stats, client);
    collect_writers(stats, client);
    collect_builds(stats, client);
    add_plain(stats, VMX_M_LOG_SUPPRESSED, client->log != NULL ? (double)vmx_log_suppressed(client->log) : 0);
    add_plain(stats, VMX_M_LOST, (double)vmx_meter_lost(client->caller.meter));
}

vmx_status
vmx_client_stats(vmx_client *client, vmx_stats **out, vmx_error *error)
{
    *out = NULL;
    if (vmx_forked())
        return vmx_error_set(error, VMX_ERR_FORKED, "stats: this process was forked; the client is its parent's");
    vmx_stats *stats = vmx_stats_new();
    if (stats != NULL)
        collect(stats, client);
    if (stats == NULL || stats->failed) {
        vmx_stats_free(stats);
        return vmx_error_no_memory(error);
    }
    *out = stats;
    return VMX_OK;
}
