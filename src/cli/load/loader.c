#include "loader.h"

#include "buffers.h"
#include "bytes.h"
#include "cli/cli.h"
#include "dead_letters.h"
#include "progress.h"
#include "settled.h"

#include <signal.h>
#include <time.h>
#include <vecmux/writer.h>

#define BLOCK_ROWS 1024
#define EVENTS     64
#define TICK_MS    100   /* how long a put or a close may keep progress and journal waiting */
#define LINGER_MS  200   /* an input that is slow is sent in small batches, but not in tiny ones */
#define GRACE_MS   10000 /* for what is in flight when the load is stopped */
#define JOURNAL_MS 200
#define REPORTS_MS 5000 /* for reports that are under way when the last outcome is known */
#define SHOWN_MAX  10   /* reasons of failures on stderr; the dead letters have them all */
#define SHOWN_ID   64   /* bytes of an id */

typedef struct loader {
    const load_options *options;
    load_input *input;
    vmx_client *client;
    vmx_index *index;
    vmx_queue *queue;
    vmx_writer *writer;
    load_dead_letters letters;
    load_journal journal;
    load_journal_state resumed; /* where the load before this one ended */
    load_settled settled;       /* with --resume */
    load_progress progress;
    size_t reserved;    /* bytes of the client's memory, for the readers' buffers */
    uint64_t refused;   /* rows that were never sent */
    uint64_t reported;  /* failed vectors, by the writer */
    uint64_t shown;     /* reasons */
    uint64_t unsettled; /* failed vectors that the next --resume tries again */
    int64_t journal_ms; /* when it was last written */
    bool stop;
    bool broken; /* the input, the dead letters or the journal */
} loader;

static void
interrupt(int number)
{
    (void)number;
    load_interrupted = 1;
}

/* The first signal lets what is in flight end; the second ends the process. */
static void
catch_signals(void)
{
    struct sigaction action = {.sa_handler = interrupt, .sa_flags = (int)SA_RESETHAND};
    load_interrupted = 0;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static int64_t
clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
break_off(loader *l)
{
    l->stop = l->broken = true;
}

/* --- outcomes ------------------------------------------------------------------------------------------------------ */

static void
show_reason(loader *l, vmx_str id, const char *reason)
{
    char shown[SHOWN_ID + 1] = "";
    if (l->shown++ >= SHOWN_MAX)
        return;
    for (size_t i = 0; i < id.len && i < SHOWN_ID; i++)
        shown[i] = (unsigned char)id.ptr[i] < ' ' || id.ptr[i] == 0x7f ? '?' : id.ptr[i];
    load_progress_clear(&l->progress);
    cli_error("id \"%s\": %s%s", shown, reason, l->shown == SHOWN_MAX ? " (further reasons are not shown)" : "");
}

/* Is it the vector that is wrong, for good? Anything else may go well another time. */
static bool
is_final(vmx_status status)
{
    return status == VMX_ERR_REJECTED || status == VMX_ERR_INVALID || status == VMX_ERR_TOO_LARGE ||
           status == VMX_ERR_UNSUPPORTED;
}

/* Would every other vector fail too? */
static bool
is_hopeless(vmx_status status)
{
    return status == VMX_ERR_UNAUTHENTICATED || status == VMX_ERR_PERMISSION_DENIED || status == VMX_ERR_NOT_FOUND ||
           status == VMX_ERR_CLOSED;
}

static void
take_delivery(loader *l, const vmx_delivery *delivery, const char *reason)
{
    bool stored = delivery->status == VMX_OK;
    if (!stored) {
        l->reported++;
        show_reason(l, delivery->id, reason);
    }
    if (!l->journal.path)
        return;
    if (stored || is_final(delivery->status))
        load_settled_finish(&l->settled, delivery->id, stored);
    else
        l->unsettled++;
}

static void
take_event(loader *l, const vmx_event *event)
{
    vmx_delivery delivery;
    size_t count = vmx_op_delivery_count(event->op);
    for (size_t i = 0; i < count; i++) {
        vmx_delivery_init(&delivery, sizeof delivery);
        if (vmx_op_delivery(event->op, i, &delivery))
            take_delivery(l, &delivery, vmx_op_error(event->op)->message);
    }
    /* a resumed load tries again what failed for want of a server: nothing is won by going on without one */
    bool transient = event->status != VMX_OK && !is_final(event->status);
    if (is_hopeless(event->status) || (l->journal.path && transient))
        l->stop = true;
    vmx_op_free(event->op);
}

static size_t
take_events(loader *l, int64_t timeout_ms)
{
    vmx_event events[EVENTS];
    size_t count = vmx_queue_poll(l->queue, events, EVENTS, timeout_ms);
    for (size_t i = 0; i < count; i++)
        take_event(l, &events[i]);
    return count;
}

static void
write_journal(loader *l, bool finished)
{
    if (!l->journal.path)
        return;
    load_journal_state state = {.next = l->settled.base,
                                .stored = l->resumed.stored + l->settled.stored,
                                .failed = l->resumed.failed + l->settled.failed,
                                .finished = finished};
    /* a row counts as failed only when its dead letter will survive */
    if (!load_dead_letters_sync(&l->letters) || !load_journal_write(&l->journal, &state))
        break_off(l);
    l->journal_ms = clock_ms();
}

static load_figures
figures_of(loader *l)
{
    vmx_writer_account account;
    vmx_writer_account_init(&account, sizeof account);
    vmx_writer_get_account(l->writer, &account);
    return (load_figures){
        .stored = account.stored,
        .failed = account.failed + l->refused,
        .stored_bytes = account.stored_bytes,
        .in_flight = account.batches_in_flight,
        .retries = account.retries,
        .stored_before = l->resumed.stored,
        .failed_before = l->resumed.failed,
        .fraction = load_input_fraction(l->input),
    };
}

/* What is done between blocks of rows, and while a put waits for room. */
static void
tick(loader *l)
{
    while (take_events(l, 0) == EVENTS)
        continue;
    load_figures figures = figures_of(l);
    load_progress_show(&l->progress, &figures);
    if (clock_ms() - l->journal_ms >= JOURNAL_MS)
        write_journal(l, false);
    if (load_interrupted)
        l->stop = true;
}

/* --- rows ---------------------------------------------------------------------------------------------------------- */

static void
count_refused(loader *l)
{
    l->refused++;
    if (l->journal.path && !load_settled_add_failed(&l->settled)) {
        cli_error("out of memory");
        break_off(l);
    }
}

static void
refuse_vector(loader *l, const vmx_vector *vector, const vmx_error *error)
{
    show_reason(l, vector->id, error->message);
    if (!load_dead_letters_add(&l->letters, vector, error))
        break_off(l);
    count_refused(l);
}

static void
refuse_text(loader *l, const load_rows *row, const cli_reason *reason)
{
    if (l->shown++ < SHOWN_MAX) {
        load_progress_clear(&l->progress);
        cli_error("%s: %s", load_input_path(l->input), reason->text);
    }
    if (!load_dead_letters_add_text(&l->letters, row->text, reason->text))
        break_off(l);
    count_refused(l);
}

static void
note_taken(loader *l, const vmx_vector *vectors, size_t taken)
{
    for (size_t i = 0; l->journal.path && i < taken; i++) {
        if (!load_settled_add(&l->settled, vectors[i].id)) {
            cli_error("out of memory");
            break_off(l);
            return;
        }
    }
}

static void
send_rows(loader *l, const load_rows *rows)
{
    size_t sent = 0;
    while (sent < rows->count && !l->stop) {
        vmx_error error;
        size_t taken = 0;
        vmx_vectors vectors = {rows->vectors + sent, rows->count - sent, sizeof *rows->vectors};
        vmx_status status = vmx_writer_put(l->writer, &vectors, TICK_MS, &taken, &error);
        note_taken(l, vectors.ptr, taken);
        sent += taken;
        if (status == VMX_ERR_INVALID || status == VMX_ERR_TOO_LARGE) {
            refuse_vector(l, rows->vectors + sent, &error);
            sent++;
        } else if (status != VMX_OK && status != VMX_ERR_TIMEOUT) {
            cli_error("%s", error.message);
            break_off(l);
        }
        tick(l);
    }
}

/* The readers' buffers count in the client's memory: a share from the beginning, and more where a row, a line or a chunk
 * is larger. */
static void
reserve_buffers(loader *l)
{
    size_t held = load_buffers_held() > load_buffers_share() ? load_buffers_held() : load_buffers_share();
    while (held > l->reserved && !l->stop) {
        vmx_error error;
        vmx_status status = vmx_client_memory_reserve(l->client, held - l->reserved, TICK_MS, &error);
        if (status == VMX_OK) {
            l->reserved = held;
        } else if (status != VMX_ERR_TIMEOUT) {
            cli_error("%s: its readers hold %zu bytes: %s", load_input_path(l->input), held, error.message);
            break_off(l);
        } else {
            tick(l);
        }
    }
}

static void
send_all(loader *l)
{
    for (reserve_buffers(l); !l->stop; reserve_buffers(l)) {
        load_rows rows;
        cli_reason reason;
        switch (load_input_next(l->input, BLOCK_ROWS, &rows, &reason)) {
        case LOAD_ROWS:
            send_rows(l, &rows);
            break;
        case LOAD_BAD_ROW:
            refuse_text(l, &rows, &reason);
            tick(l);
            break;
        case LOAD_END:
            return;
        case LOAD_FAILED:
            break_off(l);
            return;
        }
    }
}

/* --- beginning and end --------------------------------------------------------------------------------------------- */

/* Waits for every outcome; for a load that was stopped only for a while. */
static void
drain(loader *l)
{
    vmx_error error;
    int64_t stopped_ms = clock_ms();
    while (vmx_writer_close(l->writer, TICK_MS, &error) == VMX_ERR_TIMEOUT) {
        tick(l);
        if (!l->stop)
            stopped_ms = clock_ms();
        else if (clock_ms() - stopped_ms > GRACE_MS)
            break;
    }
}

/* Takes the reports that are still on their way to the queue. */
static void
take_last_reports(loader *l)
{
    vmx_writer_account account;
    int64_t limit_ms = clock_ms() + REPORTS_MS;
    vmx_writer_account_init(&account, sizeof account);
    vmx_writer_get_account(l->writer, &account);
    while ((l->reported < account.failed || (l->journal.path && l->settled.open_count > l->unsettled)) &&
           clock_ms() < limit_ms)
        take_events(l, TICK_MS);
}

static int
finish(loader *l)
{
    drain(l);
    take_last_reports(l);
    load_figures figures = figures_of(l);
    bool complete = !l->stop && (!l->journal.path || l->settled.base == l->settled.next);
    write_journal(l, complete);
    complete = complete && !l->broken; /* without its last state the next --resume has something left to do */
    load_progress_finish(&l->progress, &figures, l->letters.path, complete);
    return complete && figures.failed == 0 && figures.failed_before == 0 ? CLI_OK : CLI_FAILED;
}

static vmx_status
open_writer(loader *l, vmx_error *error)
{
    const load_options *o = l->options;
    vmx_writer_options options;
    vmx_writer_options_init(&options, sizeof options);
    options.batch_vectors = o->batch_vectors;
    options.max_in_flight = (uint32_t)o->in_flight;
    options.vectors_per_second = o->vectors_per_second;
    options.bytes_per_second = o->bytes_per_second;
    options.delivery_timeout_ms = (int64_t)o->delivery_timeout_ms;
    options.linger_ms = LINGER_MS;
    options.queue = l->queue;
    options.report = o->resume ? VMX_REPORT_ALL : VMX_REPORT_FAILURES;
    options.dead_letter_file = vmx_str_from(o->dead_letters);
    return vmx_writer_open(l->index, &options, &l->writer, error);
}

/* False after one line on stderr. */
static bool
prepare(loader *l, json_t *identity)
{
    vmx_error error;
    l->resumed.next = l->options->input.first_row;
    if (!load_journal_open(&l->journal, l->options->resume, identity, &l->resumed) ||
        !load_dead_letters_open(&l->letters, l->options->dead_letters))
        return false;
    load_settled_init(&l->settled, l->resumed.next);
    vmx_memory_info memory;
    vmx_memory_info_init(&memory, sizeof memory);
    vmx_client_memory(l->client, &memory);
    load_buffers_fit(memory.limit_bytes);
    if (l->resumed.next > l->options->input.first_row && !load_input_seek(l->input, l->resumed.next))
        return false;
    if (vmx_queue_new(l->client, &l->queue, &error) == VMX_OK && open_writer(l, &error) == VMX_OK)
        return true;
    cli_error("%s", error.message);
    return false;
}

int
load_run(const cli_session *session, load_input *input, const load_options *options, json_t *identity)
{
    loader l = {.options = options, .input = input, .client = session->client, .index = session->index};
    int code = CLI_FAILED;
    if (prepare(&l, identity)) {
        load_progress_start(&l.progress, options->json, options->quiet);
        catch_signals();
        if (!l.resumed.finished)
            send_all(&l);
        code = finish(&l);
    }
    vmx_writer_free(l.writer);
    vmx_queue_free(l.queue);
    vmx_client_memory_release(l.client, l.reserved);
    load_settled_free(&l.settled);
    load_dead_letters_close(&l.letters);
    load_journal_close(&l.journal);
    return code;
}
