/* Writers that end while something of theirs is still under way. */
#include <fcntl.h>
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/suite.h"
#include "writer/harness.h"
#include "writer/writer.h"

/* --- reports that nobody has read ---------------------------------------------------------------------------------- */

enum { MAX_UNREAD = 1024 };

/* A writer that takes no more, because so many reports wait. */
static vmx_writer *
open_unread(void)
{
    size_t taken;
    store_open(&s, 16, NULL);
    vmx_writer_options options = default_options();
    options.queue = s.w->queue;
    options.report = VMX_REPORT_ALL;
    options.batch_vectors = 1;
    vmx_writer *writer = open_writer(&options);
    must_put(writer, 0, MAX_UNREAD, 4, 1);
    ck_assert_int_eq(vmx_writer_flush(writer, 60000, &error), VMX_OK);
    ck_assert_int_eq(put_rows(writer, 0, 1, 4, 1, 0, &taken), VMX_ERR_WOULD_BLOCK);
    return writer;
}

/* They outlive the client, though the put that found no room for more is still owed a word. */
START_TEST(reports_may_be_freed_after_the_client_is_closed)
{
    vmx_writer *writer = open_unread();
    ck_assert_int_eq(vmx_writer_close(writer, 60000, &error), VMX_OK);
    ck_assert_int_eq(vmx_client_close(s.w->client, 60000, &error), VMX_OK);
    vmx_event event;
    for (size_t i = 0; i < MAX_UNREAD; i++) {
        ck_assert_uint_eq(vmx_queue_poll(s.w->queue, &event, 1, 0), 1);
        vmx_op_free(event.op);
    }
    close_all(writer);
}
END_TEST

static vmx_writer *closed_soon;

static void
close_writer(world *w, const sighting *seen)
{
    (void)w;
    (void)seen;
    ck_assert_int_eq(vmx_writer_close(closed_soon, 0, &error), VMX_OK);
}

/* An upsert that is never answered tells when its 100 ms are over. */
START_TEST(a_put_that_waits_for_their_reader_ends_with_its_writer)
{
    size_t taken;
    closed_soon = open_unread();
    s.stalled_until_us = world_now(s.w) + 3600000000;
    s.w->on_dropped = close_writer;
    vmx_call_options call = world_options(NULL);
    call.timeout_ms = 100;
    vmx_op *upsert = world_upsert(s.w, &call);
    uint64_t since_us = world_now(s.w);
    ck_assert_int_eq(put_rows(closed_soon, 0, 1, 4, 1, 600000, &taken), VMX_ERR_CLOSED);
    ck_assert_uint_lt(world_now(s.w) - since_us, 1000000);
    vmx_op_free(upsert);
    close_all(closed_soon);
}
END_TEST

/* --- sends that are about to start --------------------------------------------------------------------------------- */

enum { PACED = 10 };

static vmx_writer *freed_soon;

/* The second request frees the writer from inside its start, when the third one has been taken off the line. */
static void
free_at_second(world *w, size_t n, const sighting *seen)
{
    (void)w;
    (void)seen;
    if (n == 1)
        vmx_writer_free(freed_soon);
}

/* Three batches, paced so that the second and the third start in one go; no answer comes. */
static void
start_two_together(void (*on_stream)(world *w, size_t n, const sighting *seen))
{
    store_open(&s, 18, NULL);
    vmx_writer_options options = default_options();
    options.queue = s.w->queue;
    options.batch_vectors = PACED;
    options.vectors_per_second = 1000;
    options.linger_ms = 1;
    freed_soon = open_writer(&options);
    s.w->on_stream = on_stream;
    must_put(freed_soon, 0, 3 * PACED, 4, 1);
    world_run(s.w, 2000);
    ck_assert_uint_eq(s.w->count, 1);
    vmx_fake_advance(s.w->transport, 20000);
    while (vmx_host_drive(&s.w->client->host, world_now(s.w), NULL, NULL) > 0)
        ;
}

static void
expect_reports(size_t count, vmx_status status)
{
    vmx_event events[8];
    ck_assert_uint_eq(vmx_queue_poll(s.w->queue, events, 8, 0), count);
    for (size_t i = 0; i < count; i++) {
        ck_assert_msg(events[i].status == status, "%s", vmx_op_error(events[i].op)->message);
        ck_assert_uint_eq(vmx_op_delivery_count(events[i].op), PACED);
        vmx_op_free(events[i].op);
    }
}

START_TEST(what_is_cancelled_before_its_start_is_not_sent)
{
    start_two_together(free_at_second);
    ck_assert_uint_eq(s.w->count, 2);
    expect_reports(3, VMX_ERR_CANCELLED);
    ck_assert_uint_eq(used_bytes(), 0);
    world_free(s.w);
}
END_TEST

/* The second request, while it starts, sees the writer freed, the client closing and both answers come: when it has started
 * nothing runs any more but what the writer is about to start. */
static void
end_all_at_second(world *w, size_t n, const sighting *seen)
{
    static const answer refused = {.grpc_code = VMX_GRPC_PERMISSION_DENIED, .reach = VMX_REACH_SERVER, .text = "no"};
    static vmx_stream *first;
    if (n == 0)
        first = seen->stream;
    if (n != 1)
        return;
    vmx_writer_free(freed_soon);
    ck_assert_int_eq(vmx_client_close(w->client, 0, &error), VMX_ERR_TIMEOUT);
    world_answer(first, &refused);
    world_answer(seen->stream, &refused);
    while (w->transport->vtable->drive(w->transport->loops[0], world_now(w)) > 0)
        ;
}

START_TEST(a_client_waits_for_sends_that_are_about_to_start)
{
    start_two_together(end_all_at_second);
    expect_reports(3, VMX_ERR_CANCELLED);
    ck_assert_uint_eq(used_bytes(), 0);
    world_free(s.w);
}
END_TEST

/* --- halves that end together ---------------------------------------------------------------------------------------- */

/* The transport, but that what has come is handled inside the `left`th question for the time, as another thread could do it
 * then; not while the writer's lock is held. */
static vmx_transport_vtable meddler;
static uint64_t (*true_now)(vmx_transport *transport);
static vmx_writer *meddled_with;
static int left;

static uint64_t
meddling_now(vmx_transport *transport)
{
    uint64_t now_us = true_now(transport);
    if (--left != 0 || pthread_mutex_trylock(&meddled_with->lock) != 0)
        return now_us;
    pthread_mutex_unlock(&meddled_with->lock);
    while (meddler.drive(transport->loops[0], now_us) > 0)
        ;
    return now_us;
}

static void
meddle(vmx_writer *writer, uint64_t (*now)(vmx_transport *transport))
{
    vmx_transport *transport = s.w->transport;
    meddler = *transport->vtable;
    true_now = meddler.now;
    meddler.now = now;
    meddled_with = writer;
    left = 0;
    transport->vtable = &meddler;
}

/* The whole batch is invalid; its halves are not answered. */
static void
refuse_first(world *w, size_t n, const sighting *seen)
{
    static const answer invalid = {.grpc_code = VMX_GRPC_INVALID_ARGUMENT, .reach = VMX_REACH_SERVER, .text = "no"};
    (void)w;
    if (n == 0)
        world_answer(seen->stream, &invalid);
}

/* A writer is freed with one half in flight and the other in line: they end one inside the other. */
static void
end_halves_together(int at)
{
    char path[] = "/tmp/vecmux-log-XXXXXX";
    close(mkstemp(path));
    const char *const properties[] = {"log.file", path, "log.level", "info", NULL};
    store_open(&s, 19, properties);
    s.w->on_stream = refuse_first;
    vmx_writer_options options = default_options();
    options.max_in_flight = 1;
    vmx_writer *writer = open_writer(&options);
    meddle(writer, meddling_now);
    must_put(writer, 0, 2, 4, 1);
    world_run(s.w, 10000);
    ck_assert_uint_eq(s.w->count, 2);
    left = at;
    vmx_writer_free(writer);
    left = 0;
    world_run(s.w, 10000);
    ck_assert_uint_eq(used_bytes(), 0);
    world_free(s.w);
    unlink(path);
}

START_TEST(a_batch_is_there_until_its_last_send_was_logged)
{
    for (int at = 1; at <= 20; at++)
        end_halves_together(at);
}
END_TEST

/* --- a flush that looks at every moment -------------------------------------------------------------------------------- */

/* The same, but that a flush looks. If it is over, the report is in the queue. */
static uint64_t
flushing_now(vmx_transport *transport)
{
    vmx_event event;
    if (--left != 0 || pthread_mutex_trylock(&meddled_with->lock) != 0)
        return true_now(transport);
    pthread_mutex_unlock(&meddled_with->lock);
    if (vmx_writer_flush(meddled_with, 0, &error) == VMX_OK) {
        ck_assert_uint_eq(vmx_queue_poll(s.w->queue, &event, 1, 0), 1);
        vmx_op_free(event.op);
    }
    return true_now(transport);
}

START_TEST(what_was_flushed_was_reported)
{
    const char *const properties[] = {"log.file", "/dev/null", "log.level", "info", NULL};
    for (int at = 1; at <= 40; at++) {
        store_open(&s, 22, properties);
        vmx_writer_options options = default_options();
        options.queue = s.w->queue;
        options.report = VMX_REPORT_ALL;
        options.linger_ms = 1;
        vmx_writer *writer = open_writer(&options);
        must_put(writer, 0, 1, 4, 1);
        meddle(writer, flushing_now);
        left = at;
        world_run(s.w, 10000);
        left = 0;
        close_all(writer);
    }
}
END_TEST

/* --- rates and pauses that have no end ------------------------------------------------------------------------------- */

START_TEST(a_rate_is_a_number_however_small)
{
    vmx_writer *writer;
    store_open(&s, 25, NULL);
    vmx_writer_options options = default_options();
    options.bytes_per_second = NAN;
    ck_assert_int_eq(vmx_writer_open(s.w->index, &options, &writer, &error), VMX_ERR_INVALID);
    options.bytes_per_second = 0;
    options.vectors_per_second = DBL_MIN;
    options.batch_vectors = 1;
    options.queue = s.w->queue;
    writer = open_writer(&options);
    must_put(writer, 0, 2, 4, 1);
    world_run(s.w, 3600000000);
    ck_assert_uint_eq(s.requests, 1);
    vmx_writer_free(writer);
    world_free(s.w);
}
END_TEST

static void
refuse_for_ever(world *w, size_t n, const sighting *seen)
{
    static const answer busy = {.grpc_code = VMX_GRPC_UNAVAILABLE,
                                .reach = VMX_REACH_SERVER,
                                .text = "go away",
                                .key = "grpc-retry-pushback-ms",
                                .value = "9223372036854775807"};
    static const answer final = {.grpc_code = VMX_GRPC_PERMISSION_DENIED, .reach = VMX_REACH_SERVER, .text = "no"};
    (void)w;
    world_answer(seen->stream, n < 20 ? &busy : &final);
}

START_TEST(a_server_that_asks_for_an_endless_pause_is_left_alone)
{
    for (int i = 0; i < 2; i++) {
        store_open(&s, 24, NULL);
        s.w->on_stream = refuse_for_ever;
        vmx_writer_options options = default_options();
        options.delivery_timeout_ms = i == 0 ? 0 : VMX_FOREVER;
        vmx_writer *writer = open_writer(&options);
        must_put(writer, 0, 1, 4, 1);
        ck_assert_int_eq(vmx_writer_flush(writer, 60000, &error), VMX_OK);
        ck_assert_uint_eq(account_of(writer).failed, 1);
        ck_assert_uint_eq(s.w->count, 1);
        close_all(writer);
    }
}
END_TEST

/* --- a process that was forked --------------------------------------------------------------------------------------- */

START_TEST(a_forked_child_has_put_nothing)
{
    store_open(&s, 23, NULL);
    vmx_fork_watch();
    vmx_writer *writer = open_writer(NULL);
    pid_t child = fork();
    if (child == 0) {
        vmx_vectors none = {0};
        size_t taken = 7;
        bool refused = vmx_writer_put(writer, &none, 0, &taken, &error) == VMX_ERR_FORKED;
        _exit(refused && taken == 0 ? 0 : 1);
    }
    int result;
    ck_assert_int_eq(waitpid(child, &result, 0), child);
    ck_assert(WIFEXITED(result) && WEXITSTATUS(result) == 0);
    close_all(writer);
}
END_TEST

/* --- batches that wait for others ------------------------------------------------------------------------------------ */

/* Of three writes of one id only the first is in flight: the others fail before it does. */
START_TEST(writes_that_wait_for_another_fail_before_it)
{
    store_open(&s, 26, NULL);
    s.delay_us = 1000000;
    vmx_writer_options options = default_options();
    options.queue = s.w->queue;
    options.batch_vectors = PACED;
    vmx_writer *writer = open_writer(&options);
    for (size_t i = 0; i < 3; i++)
        must_put(writer, 0, PACED, 4, 1);
    world_run(s.w, 10000);
    ck_assert_uint_eq(s.requests, 1);
    vmx_writer_free(writer);
    world_run(s.w, 10000);
    expect_reports(3, VMX_ERR_CANCELLED);
    ck_assert_uint_eq(used_bytes(), 0);
    world_free(s.w);
}
END_TEST

/* --- opening, while the client is closed ----------------------------------------------------------------------------- */

/* A thread that opens a writer and stands still in the middle of it: its dead letter file is a pipe without a reader. */
typedef struct opener {
    pthread_t thread;
    char directory[32], pipe[48];
    vmx_status status;
} opener;

static void *
open_slowly(void *arg)
{
    opener *self = arg;
    vmx_writer *writer;
    vmx_error why;
    vmx_writer_options options = default_options();
    options.dead_letter_file = vmx_str_from(self->pipe);
    self->status = vmx_writer_open(s.w->index, &options, &writer, &why);
    return NULL;
}

/* Returns when the writer is half made. */
static void
begin_opening(opener *self)
{
    vmx_ledger_figures figures = {0};
    snprintf(self->directory, sizeof self->directory, "/tmp/vecmux-pipe-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(self->directory));
    snprintf(self->pipe, sizeof self->pipe, "%s/letters", self->directory);
    ck_assert_int_eq(mkfifo(self->pipe, 0600), 0);
    ck_assert_int_eq(pthread_create(&self->thread, NULL, open_slowly, self), 0);
    for (int i = 0; i < 10000 && figures.writers == 0; i++) {
        usleep(1000);
        vmx_ledger_read(&s.w->client->ledger, &figures);
    }
    ck_assert_uint_eq(figures.writers, 1);
}

static vmx_status
end_opening(opener *self)
{
    int reader = open(self->pipe, O_RDONLY | O_NONBLOCK);
    ck_assert_int_ge(reader, 0);
    pthread_join(self->thread, NULL);
    close(reader);
    unlink(self->pipe);
    rmdir(self->directory);
    return self->status;
}

/* Somebody waits for memory: writers are asked for what they hold. */
static void
press_for_memory(void)
{
    vmx_memory *memory = s.w->client->memory;
    vmx_reservation one = {0};
    size_t limit_bytes = vmx_memory_limit(memory);
    ck_assert(vmx_memory_try(memory, limit_bytes));
    ck_assert(!vmx_memory_queue(memory, &one, 1));
    vmx_memory_cancel(memory, &one);
    vmx_memory_release(memory, limit_bytes);
}

START_TEST(a_writer_that_is_not_open_yet_is_not_asked_for_memory)
{
    opener slow;
    store_open(&s, 17, NULL);
    begin_opening(&slow);
    ck_assert_int_eq(vmx_client_close(s.w->client, 1000, &error), VMX_OK);
    press_for_memory();
    ck_assert_int_eq(end_opening(&slow), VMX_ERR_CLOSED);
    world_free(s.w);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        reports_may_be_freed_after_the_client_is_closed,       a_put_that_waits_for_their_reader_ends_with_its_writer,
        what_is_cancelled_before_its_start_is_not_sent,        a_client_waits_for_sends_that_are_about_to_start,
        a_batch_is_there_until_its_last_send_was_logged,       what_was_flushed_was_reported,
        writes_that_wait_for_another_fail_before_it,           a_rate_is_a_number_however_small,
        a_server_that_asks_for_an_endless_pause_is_left_alone, a_forked_child_has_put_nothing,
        a_writer_that_is_not_open_yet_is_not_asked_for_memory, NULL};
    return run_suite("writer_ends", tests);
}
