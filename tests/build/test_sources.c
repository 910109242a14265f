/* Deleted documents and iterators, from a source to the file: what is read, how often, and what it costs to find it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build/harness.h"
#include "source/source.h"

enum { DOCS = 20000, CHUNK = 4096 };

/* --- documents, two fifths of them deleted ------------------------------------------------------------------------- */

static uint64_t live[(DOCS + 63) / 64];
static uint64_t live_count;
static atomic_uint_fast64_t rows_read, dead_rows_read;

static bool
is_live(uint64_t row)
{
    return (live[row / 64] >> (row % 64) & 1) != 0;
}

static void
delete_two_fifths(void)
{
    memset(live, 0, sizeof live);
    live_count = 0;
    for (uint64_t i = 0; i < DOCS; i++)
        if (i * 2654435761u % 5 >= 2) {
            live[i / 64] |= (uint64_t)1 << (i % 64);
            live_count++;
        }
    ck_assert_uint_eq(live_count, DOCS * 3 / 5);
}

static void
make_row(uint64_t row, float *out)
{
    for (int k = 0; k < COLUMNS; k++)
        out[k] = (float)((row * 31 + (uint64_t)k * 17 + row % 13 * (uint64_t)k) % 1009) / 1009;
}

static bool
read_rows(void *user, uint64_t first, uint64_t count, float *rows)
{
    (void)user;
    for (uint64_t i = 0; i < count; i++) {
        dead_rows_read += !is_live(first + i);
        make_row(first + i, rows + i * COLUMNS);
    }
    rows_read += count;
    return true;
}

static vmx_source *
select_live(void)
{
    static int32_t ids[DOCS];
    vmx_source *all, *selected;
    vmx_error error;
    for (int32_t i = 0; i < DOCS; i++)
        ids[i] = 3 * i + 1;
    ck_assert_int_eq(vmx_source_from_reader(read_rows, NULL, DOCS, COLUMNS, &all, &error), VMX_OK);
    ck_assert_int_eq(vmx_source_set_ids(all, ids, DOCS, &error), VMX_OK);
    ck_assert_int_eq(vmx_source_from_selection(all, live, DOCS, &selected, &error), VMX_OK);
    vmx_source_free(all);
    ck_assert_uint_eq(vmx_source_count(selected), live_count);
    return selected;
}

/* The live rows, one after the other in memory. */
static vmx_source *
copy_live(void)
{
    vmx_source *source;
    vmx_error error;
    float *values = malloc(live_count * COLUMNS * sizeof *values);
    int32_t *ids = malloc(live_count * sizeof *ids);
    uint64_t count = 0;
    for (uint64_t i = 0; i < DOCS; i++)
        if (is_live(i)) {
            make_row(i, values + count * COLUMNS);
            ids[count++] = (int32_t)(3 * i + 1);
        }
    ck_assert_int_eq(vmx_source_from_memory(values, count, COLUMNS, 0, free, values, &source, &error), VMX_OK);
    ck_assert_int_eq(vmx_source_set_ids(source, ids, count, &error), VMX_OK);
    free(ids);
    return source;
}

/* Builds the live rows in parts of so many bytes; the steps that finding them took. */
static uint64_t
build_live(const char *part_bytes, bool graph_only)
{
    const char *const properties[] = {"build.part.bytes", part_bytes, "build.chunk.bytes", CHUNK_BYTES, NULL};
    vmx_client *client = open_client(the_service.endpoint, 1, properties);
    vmx_source *source = select_live();
    vmx_rows *rows = vmx_rows_acquire(source->vectors);
    vmx_build_spec spec = make_spec("out");
    vmx_build_info info;
    spec.graph_only = graph_only;
    rows_read = dead_rows_read = 0;
    vmx_op *op = start_patient_build(client, source, &spec);
    ck_assert_msg(vmx_op_wait(op, slow_ms(20000)) == VMX_OK, "%s", vmx_op_error(op)->message);
    vmx_build_info_init(&info, sizeof info);
    ck_assert(vmx_op_build(op, &info));
    ck_assert_uint_eq(info.rows_read, rows_read);
    ck_assert_str_eq(compare_files("out", "reference"), "whole");
    ck_assert_uint_eq(dead_rows_read, 0);
    ck_assert_uint_eq(rows_read, graph_only ? 2 * live_count : live_count);
    uint64_t steps = vmx_rows_selection_steps(rows);
    vmx_rows_release(rows);
    vmx_op_free(op);
    close_client(client);
    return steps;
}

/* The work is that of the live rows, and a search in the index of the bitmap for each piece: not one walk for each part. */
START_TEST(deleted_documents_are_neither_read_nor_walked_over)
{
    service_start(0);
    delete_two_fifths();
    vmx_client *client = open_patient_builder(the_service.endpoint);
    vmx_build_spec spec = make_spec("reference");
    finish(start_patient_build(client, copy_live(), &spec));
    close_client(client);
    const uint64_t bytes = live_count * COLUMNS * sizeof(float), search = 16;
    uint64_t few_parts = bytes / 262144 + 1, many_parts = bytes / 8192 + 1;
    uint64_t few = build_live("262144", false), many = build_live("8192", false);
    printf("%llu live of %d: %llu steps in %llu parts, %llu in %llu\n", (unsigned long long)live_count, DOCS,
           (unsigned long long)few, (unsigned long long)few_parts, (unsigned long long)many,
           (unsigned long long)many_parts);
    ck_assert_uint_ge(few, live_count / 8);
    ck_assert_uint_le(few, 2 * live_count + DOCS / 64 + (bytes / CHUNK + few_parts) * search);
    ck_assert_uint_le(many, few + 2 * many_parts * search);
    build_live("8192", true);
    service_stop();
}
END_TEST

/* --- iterators ----------------------------------------------------------------------------------------------------- */

typedef struct iteration {
    uint64_t at, end; /* where it ends, too soon perhaps */
    bool fails;       /* there */
} iteration;

static int64_t
next_rows(void *user, float *rows, uint64_t max)
{
    iteration *self = user;
    uint64_t left = self->end - self->at, count = left < max ? left : max;
    if (left == 0)
        return self->fails ? -1 : 0;
    if (count > 37)
        count = 37;
    memcpy(rows, the_vectors[self->at], count * sizeof the_vectors[0]);
    self->at += count;
    return (int64_t)count;
}

static vmx_source *
make_iterator(iteration *self)
{
    vmx_source *source;
    vmx_error error;
    ck_assert_int_eq(vmx_source_from_iterator(next_rows, self, ROWS, COLUMNS, &source, &error), VMX_OK);
    ck_assert_int_eq(vmx_source_set_ids(source, the_ids, ROWS, &error), VMX_OK);
    return source;
}

/* Also when parts have to be sent again: they are kept until they are confirmed. */
START_TEST(an_iterator_is_read_once_and_in_order)
{
    service_start(0);
    build_reference("reference");
    static const char *const rules[] = {"Query:delay=0ms", "WritePart:unavailable:times=3",
                                        "WritePart:rst=cancel:headers:times=3"};
    faulty servers[3];
    for (int i = 0; i < 3; i++) {
        faulty_start(&servers[i], rules[i]);
        vmx_client *client = open_builder(servers[i].endpoint);
        vmx_build_spec spec = make_spec("out");
        iteration all = {.end = ROWS};
        vmx_op *op = start_build(client, make_iterator(&all), &spec, NULL, NULL);
        ck_assert_msg(vmx_op_wait(op, slow_ms(20000)) == VMX_OK, "%s", vmx_op_error(op)->message);
        ck_assert_str_eq(compare_files("out", "reference"), "whole");
        ck_assert_uint_eq(all.at, ROWS);
        ck_assert_uint_eq(faulty_hits(&servers[i]), i == 0 ? 0 : 3);
        vmx_op_free(op);
        close_client(client);
        faulty_stop(&servers[i]);
        remove_file("out");
    }
    service_stop();
    for (int i = 0; i < 3; i++)
        faulty_free(&servers[i]);
}
END_TEST

START_TEST(an_iterator_that_fails_or_ends_too_soon_is_a_fallback)
{
    service_start(0);
    vmx_client *client = open_builder(the_service.endpoint);
    for (int fails = 0; fails < 2; fails++) {
        vmx_build_spec spec = make_spec("out");
        iteration half = {.end = ROWS / 2, .fails = fails != 0};
        spec.clean_up_failed = true;
        vmx_op *op = start_build(client, make_iterator(&half), &spec, NULL, NULL);
        ck_assert_int_eq(vmx_op_wait(op, slow_ms(20000)), VMX_ERR_FALLBACK);
        ck_assert_ptr_nonnull(strstr(vmx_op_error(op)->message, "build (upload): "));
        printf("%s\n", vmx_op_error(op)->message);
        vmx_op_free(op);
        ck_assert(!file_exists("out"));
        ck_assert_int_ge(await_entries(0, 0, slow_ms(1000)), 0);
    }
    close_client(client);
    service_stop();
}
END_TEST

/* Gives some rows of what is asked for, waits, and fails. */
typedef struct broken {
    atomic_int calls;
    atomic_bool open;
} broken;

static int64_t
next_or_fail(void *user, float *rows, uint64_t max)
{
    broken *self = user;
    if (atomic_fetch_add(&self->calls, 1) == 0 && max > 1) {
        memcpy(rows, the_vectors[0], sizeof the_vectors[0]);
        return 1;
    }
    for (int64_t limit = now_ms() + slow_ms(20000); !atomic_load(&self->open) && now_ms() < limit;)
        sleep_ms(1);
    return -1;
}

/* Its stream breaks off meanwhile: the failure counts all the same, and nothing more is asked for. */
START_TEST(an_iterator_that_has_failed_is_not_asked_again)
{
    char endpoint[32];
    vmx_source *source;
    vmx_error error;
    broken rows = {0};
    service_start(0);
    vmx_mock_proxy *proxy = start_slow_proxy(0, endpoint);
    vmx_client *client = open_patient_builder(endpoint);
    vmx_build_spec spec = make_spec("out");
    ck_assert_int_eq(vmx_source_from_iterator(next_or_fail, &rows, ROWS, COLUMNS, &source, &error), VMX_OK);
    vmx_op *op = start_build(client, source, &spec, NULL, NULL);
    for (int64_t limit = now_ms() + slow_ms(10000); atomic_load(&rows.calls) < 2 && now_ms() < limit;)
        sleep_ms(1);
    vmx_mock_proxy_cut(proxy, 0, true);
    sleep_ms(slow_ms(200)); /* time to hear of it */
    atomic_store(&rows.open, true);
    ck_assert_int_eq(vmx_op_wait(op, slow_ms(20000)), VMX_ERR_FALLBACK);
    ck_assert_msg(strstr(vmx_op_error(op)->message, "the iterator failed after 1 of 600 rows") != NULL, "%s",
                  vmx_op_error(op)->message);
    ck_assert_int_eq(atomic_load(&rows.calls), 2);
    vmx_op_free(op);
    close_client(client);
    vmx_mock_proxy_stop(proxy);
    service_stop();
}
END_TEST

START_TEST(an_iterator_cannot_give_its_vectors_back)
{
    vmx_op *op;
    vmx_error error;
    service_start(0);
    vmx_client *client = open_builder(the_service.endpoint);
    vmx_build_spec spec = make_spec("out");
    spec.graph_only = true;
    iteration all = {.end = ROWS};
    vmx_source *source = make_iterator(&all);
    ck_assert_int_eq(vmx_client_build(client, source, &spec, NULL, &op, &error), VMX_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(error.message, "an iterator cannot be read twice"));
    vmx_source_free(source);
    close_client(client);
    service_stop();
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {deleted_documents_are_neither_read_nor_walked_over,
                                  an_iterator_is_read_once_and_in_order,
                                  an_iterator_that_fails_or_ends_too_soon_is_a_fallback,
                                  an_iterator_that_has_failed_is_not_asked_again,
                                  an_iterator_cannot_give_its_vectors_back,
                                  NULL};
    return run_builds("build_sources", tests, 30000, false);
}
