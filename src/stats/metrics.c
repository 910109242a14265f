#include "stats/metrics.h"

#include "core/sized.h"

#define COUNTER   VMX_METRIC_COUNTER
#define GAUGE     VMX_METRIC_GAUGE
#define HISTOGRAM VMX_METRIC_HISTOGRAM

static const vmx_metric_row rows[VMX_M_COUNT] = {
    [VMX_M_INFO] = {"vecmux_info", GAUGE, "", {"version", "engine"}, "Always 1; its labels say what this client is."},
    [VMX_M_CALLS] = {"vecmux_calls_total",
                     COUNTER,
                     "",
                     {"operation", "status"},
                     "Calls that have ended, by their vmx_status. An operation of several steps (a list of many pages) "
                     "makes several; the bulk writer's are the operation write."},
    [VMX_M_CALL_DURATION] = {"vecmux_call_duration_seconds",
                             HISTOGRAM,
                             "seconds",
                             {"operation"},
                             "How long calls took, from their start to their end, waiting in line, retries and pauses "
                             "included."},
    [VMX_M_ATTEMPTS] = {"vecmux_attempts_total",
                        COUNTER,
                        "",
                        {"operation", "code"},
                        "Attempts that have ended, by gRPC status code: the first ones, retries and hedges, and those "
                        "that found no connection. NONE: it could not be kept, for want of memory."},
    [VMX_M_RETRIES] = {"vecmux_retries_total",
                       COUNTER,
                       "",
                       {"operation", "reason"},
                       "Attempts that repeated one before: after a retriable status (status), after the attempt's own "
                       "timeout (timed_out), after one that never reached the server (transparent), or when the server "
                       "asked for it (pushback)."},
    [VMX_M_HEDGES] = {"vecmux_hedges_total",
                      COUNTER,
                      "",
                      {"operation"},
                      "Second attempts that were sent while the first one was slow."},
    [VMX_M_SENT_BYTES] = {"vecmux_sent_bytes_total",
                          COUNTER,
                          "bytes",
                          {"operation"},
                          "Encoded requests of the attempts, without gRPC's own framing."},
    [VMX_M_RECEIVED_BYTES] = {"vecmux_received_bytes_total",
                              COUNTER,
                              "bytes",
                              {"operation"},
                              "Encoded replies of the attempts, without gRPC's own framing."},
    [VMX_M_OPERATIONS_RUNNING] = {"vecmux_operations_running",
                                  GAUGE,
                                  "",
                                  {0},
                                  "Operations that were started and have not completed; an open writer is one, and "
                                  "each of its batches that is under way."},
    [VMX_M_QUEUES] = {"vecmux_queues", GAUGE, "", {0}, "Completion queues that exist."},
    [VMX_M_QUEUE_EVENTS] =
        {"vecmux_queue_events", GAUGE, "", {0}, "Events that wait in the completion queues to be polled."},
    [VMX_M_CHANNELS] =
        {"vecmux_channels", GAUGE, "", {"state"}, "Connections by state: idle, connecting, ready, failing or closed."},
    [VMX_M_CHANNEL_CALLS] =
        {"vecmux_channel_calls_total", COUNTER, "", {"channel"}, "Attempts that were started on a connection."},
    [VMX_M_CHANNEL_IN_FLIGHT] =
        {"vecmux_channel_calls_in_flight", GAUGE, "", {"channel"}, "Attempts that are under way on a connection."},
    [VMX_M_CHANNEL_RECONNECTS] = {"vecmux_channel_reconnects_total",
                                  COUNTER,
                                  "",
                                  {"channel"},
                                  "How often a connection became ready again after its first time."},
    [VMX_M_CHANNEL_EJECTIONS] = {"vecmux_channel_ejections_total",
                                 COUNTER,
                                 "",
                                 {"channel"},
                                 "How often a connection was left alone for a while because calls on it failed."},
    [VMX_M_CHANNEL_EJECTED] =
        {"vecmux_channel_ejected", GAUGE, "", {"channel"}, "1 while a connection is being left alone."},
    [VMX_M_GATE_LIMIT] =
        {"vecmux_gate_limit", GAUGE, "", {0}, "How many attempts the gate lets run at a time; 0 while it stands open."},
    [VMX_M_GATE_IN_FLIGHT] = {"vecmux_gate_in_flight", GAUGE, "", {0}, "Attempts that have passed the gate and run."},
    [VMX_M_GATE_WAITING] =
        {"vecmux_gate_waiting", GAUGE, "", {0}, "Calls in line for a connection, or before the gate."},
    [VMX_M_BUDGET_TOKENS] = {"vecmux_retry_budget_tokens",
                             GAUGE,
                             "",
                             {0},
                             "Tokens of the retry budget; retries are made while more than half are there."},
    [VMX_M_BUDGET_MAX_TOKENS] = {"vecmux_retry_budget_max_tokens",
                                 GAUGE,
                                 "",
                                 {0},
                                 "The full retry budget, property retry.budget.tokens; 0: no limit."},
    [VMX_M_MEMORY_LIMIT] = {"vecmux_memory_limit_bytes",
                            GAUGE,
                            "bytes",
                            {"account"},
                            "What an account of the memory budget may hold; send is memory.limit.bytes, "
                            "reply memory.reply.limit.bytes."},
    [VMX_M_MEMORY_USED] = {"vecmux_memory_used_bytes", GAUGE, "bytes", {"account"}, "What is reserved now."},
    [VMX_M_MEMORY_PEAK] =
        {"vecmux_memory_peak_bytes", GAUGE, "bytes", {"account"}, "The most that was reserved at a time."},
    [VMX_M_MEMORY_HELD] =
        {"vecmux_memory_send_bytes",
         GAUGE,
         "bytes",
         {"kind"},
         "What is reserved of the account send now: batches of writers, upserts, builds, and files: the buffers that "
         "a program reads files into, as `vecmux load` does. Beside that, kept: blocks of batches that wait to serve "
         "again, and give way to reservations."},
    [VMX_M_MEMORY_WAITING] = {"vecmux_memory_waiting", GAUGE, "", {"account"}, "Reservations in line for room."},
    [VMX_M_WRITERS] = {"vecmux_writers", GAUGE, "", {0}, "Bulk writers that exist."},
    [VMX_M_WRITER_TAKEN] = {"vecmux_writer_vectors_taken_total",
                            COUNTER,
                            "",
                            {0},
                            "Vectors that the bulk writers have taken: those that are stored, failed, waiting and in "
                            "flight together."},
    [VMX_M_WRITER_STORED] =
        {"vecmux_writer_vectors_stored_total", COUNTER, "", {0}, "Vectors that the server confirmed."},
    [VMX_M_WRITER_FAILED] = {"vecmux_writer_vectors_failed_total",
                             COUNTER,
                             "",
                             {0},
                             "Vectors that were given up; reports and dead letters say which, and why."},
    [VMX_M_WRITER_DEAD_LETTERS] = {"vecmux_writer_dead_letters_total",
                                   COUNTER,
                                   "",
                                   {0},
                                   "Failed vectors that were appended to a dead letter file."},
    [VMX_M_WRITER_DEAD_LETTERS_LOST] = {"vecmux_writer_dead_letters_lost_total",
                                        COUNTER,
                                        "",
                                        {0},
                                        "Failed vectors that could not be appended to a dead letter file."},
    [VMX_M_WRITER_WAITING] =
        {"vecmux_writer_vectors_waiting", GAUGE, "", {0}, "Vectors in an open batch, or in line to be sent."},
    [VMX_M_WRITER_IN_FLIGHT] =
        {"vecmux_writer_vectors_in_flight", GAUGE, "", {0}, "Vectors that were sent, their outcome to come."},
    [VMX_M_WRITER_STORED_BYTES] =
        {"vecmux_writer_stored_bytes_total", COUNTER, "bytes", {0}, "Encoded bytes of the vectors that are stored."},
    [VMX_M_WRITER_BATCHES] = {"vecmux_writer_batches_total", COUNTER, "", {0}, "Batches that have their outcome."},
    [VMX_M_WRITER_BATCHES_IN_FLIGHT] =
        {"vecmux_writer_batches_in_flight", GAUGE, "", {0}, "Batches that were sent, their outcome to come."},
    [VMX_M_WRITER_RETRIES] =
        {"vecmux_writer_retries_total", COUNTER, "", {0}, "Attempts of batches beyond each call's first."},
    [VMX_M_BUILDS] = {"vecmux_builds_total",
                      COUNTER,
                      "",
                      {"index", "result"},
                      "Builds that have ended, by index and result: success, fallback (remote), failure (in place) or "
                      "cancelled. The first 32 indexes of a client have a series each, the others one together."},
    [VMX_M_BUILDS_TIME] = {"vecmux_builds_seconds_total",
                           COUNTER,
                           "seconds",
                           {"index"},
                           "Time of the builds that succeeded, all phases together, by index."},
    [VMX_M_BUILDS_BYTES] = {"vecmux_builds_bytes_total",
                            COUNTER,
                            "bytes",
                            {"index", "direction"},
                            "Bytes of blobs sent, and of results received, by builds that have ended, by index."},
    [VMX_M_BUILD_UPLOADS] = {"vecmux_build_uploads_total",
                             COUNTER,
                             "",
                             {"result"},
                             "Blobs of remote builds that were uploaded, by result: success or failure."},
    [VMX_M_BUILD_DOWNLOADS] = {"vecmux_build_downloads_total",
                               COUNTER,
                               "",
                               {"result"},
                               "Results of remote builds that were downloaded, by result."},
    [VMX_M_BUILD_TRIGGERS] =
        {"vecmux_build_triggers_total", COUNTER, "", {"result"}, "Builds that were handed to the server, by result."},
    [VMX_M_BUILD_POLLS] = {"vecmux_build_polls_total",
                           COUNTER,
                           "",
                           {"result"},
                           "Answers on how a build stands, streamed or asked for, and askings without one, by result."},
    [VMX_M_BUILD_JOBS] =
        {"vecmux_build_jobs_total", COUNTER, "", {"result"}, "Builds that the server has ended, by result."},
    [VMX_M_BUILD_UPLOAD_TIME] =
        {"vecmux_build_upload_seconds_total", COUNTER, "seconds", {0}, "Time of the uploads that succeeded."},
    [VMX_M_BUILD_DOWNLOAD_TIME] =
        {"vecmux_build_download_seconds_total", COUNTER, "seconds", {0}, "Time of the downloads that succeeded."},
    [VMX_M_BUILD_TRIGGER_TIME] =
        {"vecmux_build_trigger_seconds_total", COUNTER, "seconds", {0}, "Time of the triggers that succeeded."},
    [VMX_M_BUILD_WAITING_TIME] = {"vecmux_build_waiting_seconds_total",
                                  COUNTER,
                                  "seconds",
                                  {0},
                                  "Time that was waited for builds that succeeded."},
    [VMX_M_BUILD_FALLBACKS] = {"vecmux_build_fallbacks_total",
                               COUNTER,
                               "",
                               {0},
                               "Remote builds that were refused or failed, so that the caller builds locally."},
    [VMX_M_BUILD_SENT_BYTES] = {"vecmux_build_sent_bytes_total",
                                COUNTER,
                                "bytes",
                                {0},
                                "Bytes of blobs that were sent, repetitions included."},
    [VMX_M_BUILD_RECEIVED_BYTES] = {"vecmux_build_received_bytes_total",
                                    COUNTER,
                                    "bytes",
                                    {0},
                                    "Bytes of results that came, repetitions included."},
    [VMX_M_BUILD_SPLICED_BYTES] = {"vecmux_build_spliced_bytes_total",
                                   COUNTER,
                                   "bytes",
                                   {0},
                                   "Bytes of vectors that were put back from the source instead of downloaded."},
    [VMX_M_BUILD_RETRIES] = {"vecmux_build_retries_total",
                             COUNTER,
                             "",
                             {"of"},
                             "Parts of uploads (part) and of downloads (range) that were gone on with or begun anew."},
    [VMX_M_BUILD_BLOBS_LEFT] = {"vecmux_build_blobs_left_total",
                                COUNTER,
                                "",
                                {0},
                                "Blobs of builds that had ended which could not be deleted; the log has their names."},
    [VMX_M_BUILDS_RUNNING] = {"vecmux_builds_running", GAUGE, "", {"kind"}, "Builds under way: remote or in_place."},
    [VMX_M_BUILDS_RUNNING_BYTES] =
        {"vecmux_builds_running_bytes", GAUGE, "bytes", {0}, "Bytes of vectors in the remote builds under way."},
    [VMX_M_LOG_SUPPRESSED] = {"vecmux_log_suppressed_total",
                              COUNTER,
                              "",
                              {0},
                              "Log records that were left out because there were too many of their kind."},
    [VMX_M_LOST] = {"vecmux_stats_lost_total",
                    COUNTER,
                    "",
                    {0},
                    "Ends of calls and attempts that these statistics do not count, for want of memory."},
};

const vmx_metric_row *
vmx_metric_row_of(vmx_metric_id id)
{
    return &rows[id];
}

void
vmx_metric_init(vmx_metric *metric, size_t size)
{
    vmx_sized_init(metric, size);
}

size_t
vmx_metric_label_count(const vmx_metric_row *row)
{
    size_t count = 0;
    while (count < VMX_METRIC_LABELS && row->labels[count] != NULL)
        count++;
    return count;
}

bool
vmx_metric_at(size_t i, vmx_metric *metric)
{
    if (i >= VMX_M_COUNT)
        return false;
    const vmx_metric_row *row = &rows[i];
    vmx_metric ours = {
        .name = row->name,
        .type = row->type,
        .unit = row->unit,
        .labels = row->labels,
        .label_count = vmx_metric_label_count(row),
        .help = row->help,
    };
    vmx_sized_write(metric, &ours, sizeof ours);
    return true;
}
