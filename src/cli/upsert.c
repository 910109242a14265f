#include "cli.h"
#include "connection.h"
#include "lines.h"
#include "record.h"
#include "window.h"

#include <stdio.h>
#include <stdlib.h>

#define BATCH_MAX   1000
#define BATCH_BYTES 1800000 /* leaves room for what the estimate of a record's size does not see */

/* Records that wait to be sent together, and the upserts in flight. */
typedef struct upsert_state {
    const cli_session *session;
    cli_window window;
    cli_record records[BATCH_MAX];
    vmx_vector vectors[BATCH_MAX];
    size_t count;
    size_t limit; /* records in one upsert */
    size_t bytes; /* of those that wait, about */
    uint64_t stored;
    bool has_lsn;
    uint64_t lsn; /* the highest one that a reply carried */
} upsert_state;

static void
add_stored(vmx_op *op, void *user)
{
    upsert_state *upserter = user;
    uint64_t count = 0, lsn = 0;
    if (vmx_op_count(op, &count))
        upserter->stored += count;
    if (vmx_op_lsn(op, &lsn)) {
        upserter->lsn = upserter->has_lsn && upserter->lsn > lsn ? upserter->lsn : lsn;
        upserter->has_lsn = true;
    }
}

/* Sends records from..to-1; in halves where together they are more than the index takes at once. */
static void
send_records(upsert_state *upserter, size_t from, size_t to)
{
    vmx_op *op = NULL;
    vmx_error error;
    vmx_vectors vectors = {upserter->vectors + from, to - from, sizeof *upserter->vectors};
    cli_range range = {upserter->records[from].line, upserter->records[to - 1].line};
    vmx_status status = vmx_index_upsert(upserter->session->index, &vectors, &upserter->session->options, &op, &error);
    if (status == VMX_ERR_TOO_LARGE && to - from > 1) {
        size_t middle = from + (to - from) / 2;
        send_records(upserter, from, middle);
        send_records(upserter, middle, to);
    } else if (status == VMX_OK) {
        cli_window_add(&upserter->window, op, range);
    } else {
        cli_window_error(&upserter->window, range, &error);
    }
}

static void
send_batch(upsert_state *upserter)
{
    for (size_t i = 0; i < upserter->count; i++)
        cli_record_borrow(&upserter->records[i], &upserter->vectors[i]);
    if (upserter->count > 0)
        send_records(upserter, 0, upserter->count);
    for (size_t i = 0; i < upserter->count; i++)
        cli_record_free(&upserter->records[i]);
    upserter->count = 0;
    upserter->bytes = 0;
}

static void
add_record(upsert_state *upserter, const cli_record *record)
{
    size_t bytes = cli_record_size(record);
    if (upserter->count == upserter->limit || upserter->bytes + bytes > BATCH_BYTES)
        send_batch(upserter);
    upserter->records[upserter->count++] = *record;
    upserter->bytes += bytes;
}

/* Reads and sends until the end of the input or the first failure; false on a line that is no record. */
static bool
send_lines(upsert_state *upserter, cli_lines *lines)
{
    json_t *value;
    cli_line kind = CLI_LINE_END;
    while (!upserter->window.failed && (kind = cli_lines_next(lines, &value)) == CLI_LINE_READ) {
        cli_record record;
        cli_reason reason;
        bool good = cli_record_parse(value, &record, &reason);
        json_decref(value);
        if (!good) {
            cli_lines_error(lines, &reason);
            kind = CLI_LINE_BAD;
            break;
        }
        record.line = lines->number;
        add_record(upserter, &record);
    }
    send_batch(upserter);
    return kind != CLI_LINE_BAD;
}

typedef struct upsert_options {
    const char *file;
    uint64_t in_flight;
    uint64_t batch;
    bool wait;
} upsert_options;

static bool
upsert_file(upsert_state *upserter, const char *file)
{
    cli_lines lines;
    if (!cli_lines_open(&lines, file))
        return false;
    bool good = send_lines(upserter, &lines);
    good = cli_window_drain(&upserter->window) && good;
    cli_lines_close(&lines);
    printf("{\"upserted\":%llu", (unsigned long long)upserter->stored);
    if (upserter->has_lsn)
        printf(",\"lsn\":%llu", (unsigned long long)upserter->lsn);
    puts("}");
    return good;
}

static int
upsert(const cli_session *session, const cli_texts *arguments, void *user)
{
    (void)arguments;
    const upsert_options *options = user;
    upsert_state *upserter = calloc(1, sizeof *upserter);
    if (!upserter) {
        cli_error("out of memory");
        return CLI_FAILED;
    }
    upserter->session = session;
    upserter->limit = options->batch;
    upserter->window = (cli_window){.limit = options->in_flight, .finish = add_stored, .user = upserter};
    bool good = upsert_file(upserter, options->file);
    if (good && options->wait && upserter->stored > 0)
        good = cli_session_wait_visible(session, upserter->lsn);
    free(upserter);
    return good ? CLI_OK : CLI_FAILED;
}

static int
run(int argc, char **argv)
{
    upsert_options o = {.in_flight = 8, .batch = BATCH_MAX};
    const cli_option options[] = {
        {"file", "FILE", CLI_TEXT, &o.file, "Reads records from a file (default: standard input).", 0, 0},
        {"batch", "N", CLI_NUMBER, &o.batch, "At most N records in one request (default 1000).", 1, BATCH_MAX},
        {"in-flight", "N", CLI_NUMBER, &o.in_flight, "At most N requests at a time (default 8).", 1, CLI_WINDOW_MAX},
        {"wait", NULL, CLI_FLAG, &o.wait, "Waits until the records are visible to queries.", 0, 0},
    };
    cli_usage usage = {
        .command = "upsert",
        .arguments = "",
        .text = "Inserts or replaces records, one JSON object on each line:\n"
                "  {\"id\":\"a\",\"values\":[0.1,0.2],\"sparse\":{\"indices\":[7],\"values\":[0.5]},"
                "\"metadata\":{\"genre\":\"drama\"}}\n"
                "Only \"id\" and one of \"values\" and \"sparse\" are needed. Stops at the first line that is wrong;\n"
                "what was sent before stays. Prints {\"upserted\":COUNT}, with \"lsn\" where the server sends one.",
        .options = options,
        .count = sizeof options / sizeof *options,
    };
    return cli_session_run(&usage, argc, argv, upsert, &o);
}

const cli_command cli_command_upsert = {"upsert", "inserts or replaces records read as JSON lines", run};
