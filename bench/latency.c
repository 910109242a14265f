#include <stdio.h>

#include "clock.h"
#include "scenarios.h"

/* Start and wait: the whole of a synchronous call. */
static bool
call_once(const bench_session *session, bench_queries *queries, bench_meter *meter)
{
    vmx_op *op = NULL;
    vmx_error error;
    uint64_t start_ns = bench_now_ns();
    if (bench_queries_start(queries, session->index, NULL, &op, &error) != VMX_OK) {
        fprintf(stderr, "bench: %s\n", error.message);
        return false;
    }
    bool ok = vmx_op_wait(op, VMX_FOREVER) == VMX_OK;
    if (ok)
        meter->row->checksum += bench_queries_read(queries, op);
    else if (meter->row->errors == 0)
        fprintf(stderr, "bench: %s\n", vmx_op_error(op)->message);
    bench_meter_record(meter, start_ns, bench_now_ns(), ok, vmx_op_attempt_count(op));
    vmx_op_free(op);
    return true;
}

bool
bench_latency(const bench_options *options, bench_report *report)
{
    bench_row *row = bench_report_add(report, 1, "1 in flight, waited for");
    bench_queries queries;
    bench_session session = {0};
    bool good = bench_queries_init(&queries, options) &&
                bench_session_open(&session, options, options->channels, row->in_flight);
    bench_meter meter;
    bench_meter_begin(&meter, row, options);
    while (good && bench_meter_tick(&meter, bench_now_ns()))
        good = call_once(&session, &queries, &meter);
    bench_session_close(&session);
    bench_queries_sizes(&queries, row);
    bench_queries_free(&queries);
    return good;
}
