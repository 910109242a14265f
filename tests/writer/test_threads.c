/* The bulk writer as it is used: several threads, a real server, little memory; with 1, 0 and 2 io threads. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/harness.h"

enum { THREADS = 4, EACH = 3000, WIDTH = 64, AT_ONCE = 100 };

typedef struct putter {
    vmx_writer *writer;
    uint64_t first;
    vmx_status status;
    vmx_error error;
} putter;

static void *
put_all(void *arg)
{
    float values[AT_ONCE * WIDTH];
    putter *p = arg;
    vmx_columns columns;
    for (size_t i = 0; i < AT_ONCE * WIDTH; i++)
        values[i] = (float)(i % 17 + 1);
    vmx_columns_init(&columns, sizeof columns);
    columns.count = AT_ONCE;
    columns.values = values;
    columns.dimension = WIDTH;
    for (uint64_t done = 0; done < EACH && p->status == VMX_OK; done += AT_ONCE) {
        columns.first_id = p->first + done;
        p->status = vmx_writer_put_columns(p->writer, &columns, slow_ms(30000), NULL, &p->error);
    }
    return NULL;
}

static uint64_t
count_stored(vmx_index *index)
{
    vmx_op *op;
    vmx_error error;
    vmx_index_state state;
    vmx_index_state_init(&state, sizeof state);
    ck_assert_int_eq(vmx_index_stats(index, NULL, &op, &error), VMX_OK);
    ck_assert_int_eq(vmx_op_wait(op, slow_ms(10000)), VMX_OK);
    ck_assert(vmx_op_stats(op, &state));
    vmx_op_free(op);
    return state.vector_count;
}

START_TEST(many_threads_share_a_writer_and_its_memory)
{
    server own = server_start(0);
    const char *const properties[] = {"memory.limit.bytes", "512k", NULL};
    vmx_client *client = open_client(own.endpoint, IO_THREADS, properties);
    vmx_index *index = open_index(client);
    vmx_writer *writer;
    vmx_error error;
    vmx_writer_options options;
    vmx_writer_options_init(&options, sizeof options);
    options.batch_bytes = 40000;
    ck_assert_msg(vmx_writer_open(index, &options, &writer, &error) == VMX_OK, "%s", error.message);
    pthread_t threads[THREADS];
    putter putters[THREADS] = {0};
    for (size_t i = 0; i < THREADS; i++) { /* neighbours write half of their ids both */
        putters[i].writer = writer;
        putters[i].first = i * EACH / 2;
        pthread_create(&threads[i], NULL, put_all, &putters[i]);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_msg(putters[i].status == VMX_OK, "%s", putters[i].error.message);
    }
    ck_assert_msg(vmx_writer_close(writer, slow_ms(30000), &error) == VMX_OK, "%s", error.message);
    vmx_writer_account account;
    vmx_writer_account_init(&account, sizeof account);
    vmx_writer_get_account(writer, &account);
    ck_assert_uint_eq(account.taken, THREADS * EACH);
    ck_assert_uint_eq(account.stored, THREADS * EACH);
    ck_assert_uint_eq(count_stored(index), EACH + (THREADS - 1) * EACH / 2);
    vmx_memory_info memory;
    vmx_memory_info_init(&memory, sizeof memory);
    vmx_client_memory(client, &memory);
    ck_assert_uint_le(memory.peak_bytes, 512 * 1024);
    vmx_writer_free(writer);
    vmx_index_free(index);
    close_client(client);
    server_kill(&own);
}
END_TEST

/* --- dead letters, by the worker ----------------------------------------------------------------------------------- */

static size_t
count_lines(const char *path)
{
    size_t count = 0;
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    for (int c; (c = getc(file)) != EOF;)
        count += c == '\n';
    fclose(file);
    return count;
}

/* The account adds up at every look, and what it says has failed stands in the file. */
static void
look(vmx_writer *writer, const char *path)
{
    vmx_writer_account account;
    vmx_writer_account_init(&account, sizeof account);
    vmx_writer_get_account(writer, &account);
    ck_assert_uint_eq(account.taken, account.stored + account.failed + account.waiting + account.in_flight);
    ck_assert_uint_ge(count_lines(path), account.failed);
}

START_TEST(what_has_failed_stands_in_the_file)
{
    server own = server_start(0);
    char path[] = "/tmp/vecmux-dead-XXXXXX";
    close(mkstemp(path));
    vmx_client *client = open_client(own.endpoint, IO_THREADS, NULL);
    vmx_index *index = open_index(client);
    vmx_writer *writer;
    vmx_error error;
    vmx_writer_options options;
    vmx_writer_options_init(&options, sizeof options);
    options.dead_letter_file = vmx_str_from(path);
    options.batch_vectors = 50;
    ck_assert_msg(vmx_writer_open(index, &options, &writer, &error) == VMX_OK, "%s", error.message);
    ck_assert_uint_eq(count_threads("vecmux-work"), 1);
    float values[WIDTH + 1] = {1};
    for (size_t i = 0; i < 2000; i++) { /* of another dimension: the server refuses every tenth */
        vmx_columns columns;
        vmx_columns_init(&columns, sizeof columns);
        columns.count = 1;
        columns.first_id = i;
        columns.values = values;
        columns.dimension = i % 10 == 9 ? WIDTH + 1 : WIDTH;
        ck_assert_int_eq(vmx_writer_put_columns(writer, &columns, slow_ms(30000), NULL, &error), VMX_OK);
        if (i == 0) /* the first that is stored decides the index's dimension */
            ck_assert_msg(vmx_writer_flush(writer, slow_ms(30000), &error) == VMX_OK, "%s", error.message);
        if (i % 100 == 0)
            look(writer, path);
    }
    ck_assert_msg(vmx_writer_flush(writer, slow_ms(30000), &error) == VMX_OK, "%s", error.message);
    ck_assert_uint_eq(count_lines(path), 200);
    ck_assert_msg(vmx_writer_close(writer, slow_ms(30000), &error) == VMX_OK, "%s", error.message);
    ck_assert_uint_eq(count_stored(index), 1800);
    look(writer, path);
    vmx_writer_free(writer);
    vmx_index_free(index);
    close_client(client);
    ck_assert_uint_eq(count_threads("vecmux-"), 0);
    server_kill(&own);
    unlink(path);
}
END_TEST

/* A client that is freed with a writer in the middle of its work: its vectors fail, and each stands in the file. */
START_TEST(a_freed_client_writes_down_what_it_drops)
{
    server own = server_start(0);
    char path[] = "/tmp/vecmux-dead-XXXXXX";
    close(mkstemp(path));
    vmx_client *client = open_client(own.endpoint, IO_THREADS, NULL);
    vmx_index *index = open_index(client);
    vmx_writer *writer;
    vmx_error error;
    vmx_writer_options options;
    vmx_writer_options_init(&options, sizeof options);
    options.dead_letter_file = vmx_str_from(path);
    options.batch_vectors = 10;
    options.linger_ms = -1;
    ck_assert_msg(vmx_writer_open(index, &options, &writer, &error) == VMX_OK, "%s", error.message);
    server_pause(&own);
    float values[95 * DIMENSION] = {1};
    vmx_columns columns;
    vmx_columns_init(&columns, sizeof columns);
    columns.count = 95;
    columns.values = values;
    columns.dimension = DIMENSION;
    ck_assert_int_eq(vmx_writer_put_columns(writer, &columns, slow_ms(30000), NULL, &error), VMX_OK);
    vmx_index_free(index);
    vmx_client_free(client);
    vmx_writer_account account;
    vmx_writer_account_init(&account, sizeof account);
    for (int64_t until = now_ms() + slow_ms(10000); account.failed < 95 && now_ms() < until; sleep_ms(5))
        vmx_writer_get_account(writer, &account);
    ck_assert_uint_eq(account.failed, 95);
    ck_assert_uint_eq(count_lines(path), 95);
    vmx_writer_free(writer);
    server_kill(&own);
    unlink(path);
}
END_TEST

/* --- pulling, by the worker ---------------------------------------------------------------------------------------- */

typedef struct source {
    size_t next, end;
    pthread_t asked_on;
    float values[WIDTH];
    char id[16];
    vmx_vector vector;
} source;

static vmx_pull_result
next_one(void *user, vmx_vectors *vectors, vmx_error *error)
{
    source *from = user;
    (void)error;
    from->asked_on = pthread_self();
    if (from->next == from->end)
        return VMX_PULL_END;
    vmx_vector_init(&from->vector, sizeof from->vector);
    from->values[0] = 1;
    from->vector.id = (vmx_str){from->id, (size_t)snprintf(from->id, sizeof from->id, "%zu", from->next++)};
    from->vector.values = (vmx_floats){from->values, WIDTH};
    *vectors = (vmx_vectors){&from->vector, 1, 0};
    return VMX_PULL_MORE;
}

START_TEST(iterators_are_pulled_by_the_worker)
{
    server own = server_start(0);
    const char *const properties[] = {"memory.limit.bytes", "256k", NULL};
    vmx_client *client = open_client(own.endpoint, IO_THREADS, properties);
    vmx_index *index = open_index(client);
    vmx_writer *writer;
    vmx_error error;
    vmx_writer_options options;
    vmx_writer_options_init(&options, sizeof options);
    options.batch_bytes = 40000;
    ck_assert_msg(vmx_writer_open(index, &options, &writer, &error) == VMX_OK, "%s", error.message);
    source sources[2] = {{.next = 0, .end = EACH}, {.next = EACH, .end = 2 * EACH}}; /* two at once */
    vmx_op *ops[2];
    for (size_t i = 0; i < 2; i++) {
        vmx_pull pull;
        vmx_pull_init(&pull, sizeof pull);
        pull.next = next_one;
        pull.user = &sources[i];
        ck_assert_msg(vmx_writer_pull(writer, &pull, &ops[i], &error) == VMX_OK, "%s", error.message);
    }
    for (size_t i = 0; i < 2; i++) {
        uint64_t taken;
        ck_assert_int_eq(vmx_op_wait(ops[i], slow_ms(30000)), VMX_OK);
        ck_assert(vmx_op_pulled(ops[i], &taken));
        ck_assert_uint_eq(taken, EACH);
        ck_assert_int_eq(pthread_equal(sources[i].asked_on, pthread_self()), 0);
        vmx_op_free(ops[i]);
    }
    ck_assert_msg(vmx_writer_close(writer, slow_ms(30000), &error) == VMX_OK, "%s", error.message);
    ck_assert_uint_eq(count_stored(index), 2 * EACH);
    vmx_writer_free(writer);
    vmx_index_free(index);
    close_client(client);
    server_kill(&own);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {many_threads_share_a_writer_and_its_memory, what_has_failed_stands_in_the_file,
                                  a_freed_client_writes_down_what_it_drops, iterators_are_pulled_by_the_worker, NULL};
    return run_modes("writer_threads", tests);
}
