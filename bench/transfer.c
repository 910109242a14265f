#include "transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

#define WAIT_MS            2
#define CONNECT_TIMEOUT_MS 10000
#define SAMPLE_NS          20000000ull /* between looks at the process's memory */

/* --- the client ---------------------------------------------------------------------------------------------------- */

/* The first call connects; a server without builds refuses it, which is as good. False after one line on stderr: a build
 * would try for as long as its calls may take. */
static bool
connect_now(bench_session *session)
{
    vmx_op *op = NULL;
    vmx_error error;
    vmx_retry once;
    vmx_call_options call;
    vmx_retry_init(&once, sizeof once, VMX_RETRY_NONE);
    vmx_call_options_init(&call, sizeof call);
    call.retry = &once;
    call.timeout_ms = CONNECT_TIMEOUT_MS;
    vmx_status status = vmx_client_list_builds(session->client, NULL, &call, &op, &error);
    if (status == VMX_OK) {
        status = vmx_op_wait(op, VMX_FOREVER);
        error = *vmx_op_error(op);
    }
    vmx_op_free(op);
    bool answered = status != VMX_ERR_UNAVAILABLE && status != VMX_ERR_DEADLINE;
    if (!answered)
        fprintf(stderr, "bench: %s\n", error.message);
    return answered;
}

bool
bench_transfer_open(bench_transfer_run *run, const bench_options *options, uint64_t part_bytes, bench_row *row)
{
    char texts[4][64];
    bench_options own = *options;
    const char *directory = getenv("TMPDIR");
    *run = (bench_transfer_run){.options = options, .meter.row = row};
    snprintf(texts[0], sizeof texts[0], "build.upload.parts=%zu", row->in_flight);
    snprintf(texts[1], sizeof texts[1], "build.download.parts=%zu", row->in_flight);
    snprintf(texts[2], sizeof texts[2], "build.part.bytes=%llu", (unsigned long long)part_bytes);
    snprintf(texts[3], sizeof texts[3], "build.digest=%s", options->transfer.sha256 ? "sha256" : "crc32c");
    own.setting_count = 0;
    for (; own.setting_count < 4; own.setting_count++)
        own.settings[own.setting_count] = texts[own.setting_count];
    for (size_t i = 0; i < options->setting_count && own.setting_count < BENCH_MAX_SETTINGS; i++)
        own.settings[own.setting_count++] = options->settings[i];
    if (options->transfer.out)
        snprintf(run->path, sizeof run->path, "%s", options->transfer.out);
    else
        snprintf(run->path, sizeof run->path, "%s/vecmux-bench-%d", directory ? directory : "/tmp", (int)getpid());
    if (!bench_session_open(&run->session, &own, row->channels, row->in_flight))
        return false;
    return connect_now(&run->session);
}

void
bench_transfer_close(bench_transfer_run *run)
{
    bench_session_close(&run->session);
}

/* --- the build ----------------------------------------------------------------------------------------------------- */

void
bench_transfer_spec(const bench_transfer_run *run, vmx_build_spec *spec)
{
    vmx_build_spec_init(spec, sizeof *spec);
    spec->output = vmx_str_from(run->path);
    spec->remote = VMX_SWITCH_ON;
    spec->limits = VMX_SWITCH_OFF;
    spec->m = 4;
    spec->ef_construction = 8;
    spec->graph_only = run->options->transfer.graph_only;
}

vmx_op *
bench_transfer_start(bench_transfer_run *run, vmx_source *source, const vmx_build_spec *spec)
{
    vmx_op *op = NULL;
    vmx_error error;
    if (vmx_client_build(run->session.client, source, spec, NULL, &op, &error) != VMX_OK)
        fprintf(stderr, "bench: %s\n", error.message);
    return op;
}

static void
sample_memory(bench_transfer_run *run)
{
    uint64_t now = bench_now_ns();
    if (now - run->sampled_ns < SAMPLE_NS)
        return;
    run->sampled_ns = now;
    bench_meter_sample_memory(&run->meter);
}

bool
bench_transfer_wait(bench_transfer_run *run, vmx_op *op, vmx_build_phase phase)
{
    vmx_progress progress;
    vmx_build_info info;
    vmx_progress_init(&progress, sizeof progress);
    vmx_build_info_init(&info, sizeof info);
    vmx_status status;
    while ((status = vmx_op_wait(op, WAIT_MS)) == VMX_ERR_TIMEOUT && vmx_op_progress(op, &progress) &&
           progress.phase <= phase)
        sample_memory(run);
    sample_memory(run);
    if (status == VMX_OK || progress.phase > phase || (vmx_op_build(op, &info) && info.phase > phase))
        return true;
    fprintf(stderr, "bench: %s\n", vmx_op_error(op)->message);
    return false;
}

void
bench_transfer_memory(bench_transfer_run *run)
{
    bench_row *row = run->meter.row;
    vmx_memory_info memory;
    if (!run->session.client)
        return;
    vmx_memory_info_init(&memory, sizeof memory);
    vmx_client_memory(run->session.client, &memory);
    row->budget_limit = memory.limit_bytes;
    row->budget_peak = memory.peak_bytes;
    row->budget_end = memory.used_bytes;
}
