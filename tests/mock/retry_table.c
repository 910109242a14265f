/*
 * Prints what becomes of a call under each fault and each preset of a policy, over TCP, as a Markdown table:
 * docs/retries-tcp.md holds it, and a test compares the two. Each cell has a server and a client of its own, and many
 * cells run at a time. The exit status tells whether every call also took as long as it should.
 */
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mock/harness.h"

enum { TIMEOUT_MS = 2000, ATTEMPT_TIMEOUT_MS = 300, LATE_MS = 1500, CELLS_AT_A_TIME = 40 };

typedef enum operation { A_QUERY, AN_UPSERT, AN_UPDATE } operation;

typedef enum manner {
    ONCE,
    ALWAYS,
    ONCE_TIMED,   /* with ATTEMPT_TIMEOUT_MS */
    ALWAYS_TIMED, /* likewise */
    NO_SERVER
} manner;

typedef struct table_row {
    const char *name;
    operation op;
    manner manner;
    int grpc_code;
    const char *details, *key, *value; /* of a trailer */
    vmx_mock_fault fault;
    vmx_mock_when when;
    uint32_t http2_code;
    int64_t last_stream;
    size_t cut_bytes;
    int http_status;
    int64_t delay_ms;
    size_t drip_bytes;
    const char *message;
    int64_t least_ms; /* that a call takes which ends well */
} table_row;

#define PUSHBACK      "grpc-retry-pushback-ms"
#define DOWN(...)     .grpc_code = 14, .details = "no", __VA_ARGS__
#define BUSY(k, v)    .grpc_code = 8, .details = "slow down", .key = (k), .value = (v)
#define RST(code)     .fault = VMX_MOCK_RST_STREAM, .http2_code = (code)
#define GOAWAY(...)   .fault = VMX_MOCK_GOAWAY, __VA_ARGS__
#define CUT(what, at) .fault = (what), .when = VMX_MOCK_INSIDE, .cut_bytes = (at)

static const table_row rows[] = {
    {"UNAVAILABLE once", A_QUERY, ONCE, DOWN()},
    {"UNAVAILABLE once: update", AN_UPDATE, ONCE, DOWN()},
    {"UNAVAILABLE always", A_QUERY, ALWAYS, DOWN()},
    {"UNAVAILABLE once, pushback of 0 ms", A_QUERY, ONCE, DOWN(.key = PUSHBACK, .value = "0")},
    {"ABORTED once", A_QUERY, ONCE, .grpc_code = 10},
    {"RESOURCE_EXHAUSTED once", A_QUERY, ONCE, BUSY(NULL, NULL)},
    {"RESOURCE_EXHAUSTED once, pushback of 300 ms", A_QUERY, ONCE, BUSY(PUSHBACK, "300"), .least_ms = 300},
    {"RESOURCE_EXHAUSTED once, pushback of 60000 ms", A_QUERY, ONCE, BUSY(PUSHBACK, "60000")},
    {"RESOURCE_EXHAUSTED once, pushback of -1", A_QUERY, ONCE, BUSY(PUSHBACK, "-1")},
    {"RESOURCE_EXHAUSTED once, retry-after: 1", A_QUERY, ONCE, BUSY("retry-after", "1"), .least_ms = 1000},
    {"monthly quota spent", A_QUERY, ALWAYS, .grpc_code = 8, .details = "read units of this month used up"},
    {"INVALID_ARGUMENT", A_QUERY, ONCE, .grpc_code = 3},
    {"INTERNAL", A_QUERY, ONCE, .grpc_code = 13},
    {"UNAUTHENTICATED", A_QUERY, ONCE, .grpc_code = 16},
    {"DEADLINE_EXCEEDED by the server", A_QUERY, ONCE, .grpc_code = 4},
    {"HTTP status 503, once", A_QUERY, ONCE, .http_status = 503},
    {"HTTP status 503, once: update", AN_UPDATE, ONCE, .http_status = 503},

    {"RST_STREAM REFUSED_STREAM once", A_QUERY, ONCE, RST(NGHTTP2_REFUSED_STREAM)},
    {"RST_STREAM REFUSED_STREAM once: update", AN_UPDATE, ONCE, RST(NGHTTP2_REFUSED_STREAM)},
    {"RST_STREAM REFUSED_STREAM always", A_QUERY, ALWAYS, RST(NGHTTP2_REFUSED_STREAM)},
    {"RST_STREAM INTERNAL_ERROR once", A_QUERY, ONCE, RST(NGHTTP2_INTERNAL_ERROR)},
    {"RST_STREAM CANCEL once", A_QUERY, ONCE, RST(NGHTTP2_CANCEL)},
    {"RST_STREAM ENHANCE_YOUR_CALM once", A_QUERY, ONCE, RST(NGHTTP2_ENHANCE_YOUR_CALM)},
    {"GOAWAY once, this call above its last stream", A_QUERY, ONCE, GOAWAY(.last_stream = VMX_MOCK_STREAM_BEFORE)},
    {"GOAWAY once, this call above its last stream: update", AN_UPDATE, ONCE,
     GOAWAY(.last_stream = VMX_MOCK_STREAM_BEFORE)},
    {"GOAWAY once, this call not above: it is answered", A_QUERY, ONCE, GOAWAY(.last_stream = VMX_MOCK_THIS_STREAM)},
    {"GOAWAY once, this call not above, then the connection closes", A_QUERY, ONCE, .fault = VMX_MOCK_GOAWAY_CLOSE},
    {"GOAWAY once, this call not above, then the connection closes: update", AN_UPDATE, ONCE,
     .fault = VMX_MOCK_GOAWAY_CLOSE},

    {"closed before the answer, once", A_QUERY, ONCE, .fault = VMX_MOCK_CLOSE},
    {"closed before the answer, once: upsert", AN_UPSERT, ONCE, .fault = VMX_MOCK_CLOSE},
    {"closed before the answer, once: update", AN_UPDATE, ONCE, .fault = VMX_MOCK_CLOSE},
    {"closed before the answer, always", A_QUERY, ALWAYS, .fault = VMX_MOCK_CLOSE},
    {"closed at the request's headers, once", A_QUERY, ONCE, .fault = VMX_MOCK_CLOSE, .when = VMX_MOCK_AT_HEADERS},
    {"reset before the answer, once", A_QUERY, ONCE, .fault = VMX_MOCK_RESET},
    {"reset before the answer, once: update", AN_UPDATE, ONCE, .fault = VMX_MOCK_RESET},
    {"closed inside the message's prefix, once", A_QUERY, ONCE, CUT(VMX_MOCK_CLOSE, 3)},
    {"closed between message and trailers, once", A_QUERY, ONCE, CUT(VMX_MOCK_CLOSE, 100)},
    {"closed between message and trailers, once: update", AN_UPDATE, ONCE, CUT(VMX_MOCK_CLOSE, 100)},
    {"closed after the answer, once", A_QUERY, ONCE, .fault = VMX_MOCK_CLOSE, .when = VMX_MOCK_AFTER},
    {"connection refused always", A_QUERY, NO_SERVER, .grpc_code = 0},

    {"no answer once, attempt timeout 300 ms", A_QUERY, ONCE_TIMED, .fault = VMX_MOCK_STALL,
     .least_ms = ATTEMPT_TIMEOUT_MS},
    {"no answer once, attempt timeout 300 ms: update", AN_UPDATE, ONCE_TIMED, .fault = VMX_MOCK_STALL},
    {"half an answer once, attempt timeout 300 ms", A_QUERY, ONCE_TIMED, CUT(VMX_MOCK_STALL, 4),
     .least_ms = ATTEMPT_TIMEOUT_MS},
    {"no answer ever, attempt timeout 300 ms", A_QUERY, ALWAYS_TIMED, .fault = VMX_MOCK_STALL},
    {"no answer ever", A_QUERY, ALWAYS, .fault = VMX_MOCK_STALL},
    {"a server that stops reading", A_QUERY, ALWAYS, .fault = VMX_MOCK_DEAF},
    {"late by 300 ms", A_QUERY, ALWAYS, .delay_ms = 300, .least_ms = 300},
    {"late by 900 ms once, attempt timeout 300 ms", A_QUERY, ONCE_TIMED, .delay_ms = 3 * ATTEMPT_TIMEOUT_MS},
    {"a byte in 20 ms", A_QUERY, ALWAYS, .drip_bytes = 1, .least_ms = 80},

    {"message cut inside its length, then the trailers", A_QUERY, ONCE, CUT(VMX_MOCK_TRUNCATE, 3)},
    {"message cut inside its bytes, then the trailers", A_QUERY, ONCE, CUT(VMX_MOCK_TRUNCATE, 7),
     .message = "a long message"},
    {"no message, but OK in the trailers", A_QUERY, ONCE, CUT(VMX_MOCK_TRUNCATE, 0)},
    {"no trailers", A_QUERY, ONCE, CUT(VMX_MOCK_NO_TRAILERS, 100)},
    {"garbage instead of a frame, once", A_QUERY, ONCE, .fault = VMX_MOCK_GARBAGE},
    {"garbage instead of a frame, once: update", AN_UPDATE, ONCE, .fault = VMX_MOCK_GARBAGE},
    {"a message that is no protobuf", A_QUERY, ONCE, .message = "\xff\xff\xff"},
};

static const struct {
    const char *name;
    vmx_retry_preset preset;
} presets[] = {
    {"NONE", VMX_RETRY_NONE},
    {"INTERACTIVE", VMX_RETRY_INTERACTIVE},
    {"BULK", VMX_RETRY_BULK},
    {"DEFAULT", VMX_RETRY_DEFAULT},
};

enum { ROWS = sizeof rows / sizeof rows[0], PRESETS = sizeof presets / sizeof presets[0] };

/* One call under way. */
typedef struct cell {
    const table_row *row;
    size_t preset;
    vmx_mock *mock;
    vmx_client *client;
    vmx_index *index;
    vmx_op *op;
} cell;

static void
set_answers(vmx_mock *mock, const table_row *row)
{
    vmx_header trailer = {VMX_STR(row->key), VMX_STR(row->value)};
    vmx_mock_answer answer = answer_status(row->grpc_code, row->details);
    answer.trailers = &trailer;
    answer.trailer_count = row->key != NULL;
    answer.fault = row->fault;
    answer.when = row->when;
    answer.http2_code = row->http2_code;
    answer.last_stream = row->last_stream;
    answer.cut_bytes = row->cut_bytes;
    answer.http_status = row->http_status;
    answer.delay_ms = slow_ms(row->delay_ms);
    answer.drip_bytes = row->drip_bytes;
    answer.drip_interval_ms = slow_ms(20);
    answer.message = VMX_STR(row->message);
    if (row->manner == ONCE || row->manner == ONCE_TIMED)
        set_script(mock, "", &answer, 1);
    else
        set_default(mock, "", answer);
}

static bool
is_failing(const vmx_client *client)
{
    vmx_channel_info info;
    vmx_channel_info_init(&info, sizeof info);
    return vmx_client_channel(client, 0, &info) && info.state == VMX_CHANNEL_FAILING;
}

static void
prepare(cell *self)
{
    static const char *const properties[] = {"channel.count", "1", NULL};
    char endpoint[32];
    self->mock = start_mock();
    if (self->row->manner == NO_SERVER)
        vmx_mock_refuse(self->mock, VMX_FOREVER);
    set_answers(self->mock, self->row);
    self->client = open_client(endpoint_of(vmx_mock_port(self->mock), endpoint), 1, properties);
    self->index = open_index(self->client);
}

/* No jitter, so that attempts can be counted; times as long as the build under test is slow. */
static vmx_retry
policy_of(const cell *self)
{
    vmx_retry retry;
    vmx_retry_init(&retry, sizeof retry, presets[self->preset].preset);
    retry.jitter = VMX_JITTER_NONE;
    retry.initial_backoff_ms = slow_ms(retry.initial_backoff_ms);
    retry.max_backoff_ms = slow_ms(retry.max_backoff_ms);
    if (self->row->manner == ONCE_TIMED || self->row->manner == ALWAYS_TIMED)
        retry.attempt_timeout_ms = slow_ms(ATTEMPT_TIMEOUT_MS);
    return retry;
}

static void
start(cell *self)
{
    vmx_retry retry = policy_of(self);
    vmx_call_options options;
    vmx_call_options_init(&options, sizeof options);
    options.timeout_ms = slow_ms(TIMEOUT_MS);
    options.retry = &retry;
    if (self->row->manner != NO_SERVER)
        await_connections(self->client);
    for (int64_t limit = now_ms() + slow_ms(5000);
         self->row->manner == NO_SERVER && !is_failing(self->client) && now_ms() < limit;)
        sleep_ms(1);
    switch (self->row->op) {
    case A_QUERY:
        self->op = start_query(self->index, 1, &options);
        break;
    case AN_UPSERT:
        self->op = start_upsert(self->index, 1, &options);
        break;
    case AN_UPDATE:
        self->op = start_update(self->index, &options);
        break;
    }
}

/* How long it took, by its records. */
static bool
took_its_time(const cell *self, vmx_status status)
{
    vmx_attempt_info last;
    vmx_attempt_info_init(&last, sizeof last);
    size_t count = vmx_op_attempt_count(self->op);
    if (!vmx_op_attempt(self->op, count - 1, &last))
        return false;
    int64_t ms = (last.start_us + last.duration_us + 999) / 1000;
    int64_t least = status == VMX_OK && count == (self->row->manner == ALWAYS ? 1 : 2) ? self->row->least_ms : 0;
    if (ms >= least && ms <= slow_ms(TIMEOUT_MS + LATE_MS))
        return true;
    fprintf(stderr, "%s, %s: took %lld ms; expected %lld to %lld\n", self->row->name, presets[self->preset].name,
            (long long)ms, (long long)least, (long long)slow_ms(TIMEOUT_MS + LATE_MS));
    return false;
}

/* What the record says must be what the server saw, but for calls that were refused a connection. */
static bool
server_agrees(const cell *self, uint32_t attempts)
{
    uint64_t seen = counters_of(self->mock).streams;
    if (self->row->manner == NO_SERVER ? seen == 0 : seen == attempts)
        return true;
    fprintf(stderr, "%s, %s: %u attempts, but the server saw %llu\n", self->row->name, presets[self->preset].name,
            attempts, (unsigned long long)seen);
    return false;
}

static bool
finish_cell(cell *self)
{
    static const char *const outcomes[] = {"not sent", "rejected", "unknown", "done"};
    vmx_status status = vmx_op_wait(self->op, slow_ms(TIMEOUT_MS + 10 * LATE_MS));
    const vmx_error *error = vmx_op_error(self->op);
    printf("| %s | %s | %s | %s | %u |\n", self->row->name, presets[self->preset].name, vmx_status_name(status),
           outcomes[error->outcome], error->attempts);
    bool good = took_its_time(self, status) && server_agrees(self, error->attempts);
    vmx_op_free(self->op);
    vmx_index_free(self->index);
    close_client(self->client);
    vmx_mock_stop(self->mock);
    return good;
}

static bool
print_cells(size_t from, size_t count)
{
    cell cells[CELLS_AT_A_TIME] = {0};
    bool good = true;
    for (size_t i = 0; i < count; i++) {
        cells[i].row = &rows[(from + i) / PRESETS];
        cells[i].preset = (from + i) % PRESETS;
        prepare(&cells[i]);
    }
    for (size_t i = 0; i < count; i++)
        start(&cells[i]);
    for (size_t i = 0; i < count; i++)
        good = finish_cell(&cells[i]) && good;
    return good;
}

START_TEST(table)
{
    bool good = true;
    printf("| Fault | Preset | Result | Outcome | Attempts |\n|---|---|---|---|---|\n");
    for (size_t from = 0; from < ROWS * PRESETS; from += CELLS_AT_A_TIME) {
        size_t left = ROWS * PRESETS - from;
        good = print_cells(from, left < CELLS_AT_A_TIME ? left : CELLS_AT_A_TIME) && good;
    }
    fflush(stdout);
    ck_assert(good);
}
END_TEST

/* The helpers that the suites share are made for Check; its report goes to stderr. */
int
main(void)
{
    Suite *suite = suite_create("table");
    TCase *tcase = tcase_create("table");
    tcase_set_timeout(tcase, (double)slow_ms(120000) / 1000);
    tcase_add_test(tcase, table);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    TestResult **failures = srunner_failures(runner);
    for (int i = 0; i < failed; i++)
        fprintf(stderr, "line %d: %s\n", tr_lno(failures[i]), tr_msg(failures[i]));
    free(failures);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
