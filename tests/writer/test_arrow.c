/* Arrow record batches into the bulk writer: every format that is read, and producers that cannot be trusted. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/suite.h"
#include "writer/arrow_producer.h"
#include "writer/store.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static store s;
static vmx_error error;
static vmx_writer *writer;

static void
open_writer(void)
{
    store_open(&s, 1, NULL);
    ck_assert_msg(vmx_writer_open(s.w->index, NULL, &writer, &error) == VMX_OK, "%s", error.message);
}

static void
close_writer(void)
{
    ck_assert_msg(vmx_writer_close(writer, 60000, &error) == VMX_OK, "%s", error.message);
    vmx_writer_free(writer);
    world_free(s.w);
    ck_assert_uint_eq(producer_alive, 0);
}

/* Puts one batch; the structs are released. */
static vmx_status
put(const column *columns, size_t count, int64_t length, int64_t offset, const vmx_arrow_options *options,
    size_t *taken)
{
    struct ArrowSchema schema;
    struct ArrowArray array;
    produce_batch(&schema, &array, columns, count, length, offset);
    vmx_status status = vmx_writer_put_arrow(writer, &array, &schema, options, 60000, taken, &error);
    produce_release(&schema, &array);
    return status;
}

static void
must_put(const column *columns, size_t count, int64_t length, int64_t offset, const vmx_arrow_options *options)
{
    size_t taken;
    ck_assert_msg(put(columns, count, length, offset, options, &taken) == VMX_OK, "%s", error.message);
    ck_assert_uint_eq(taken, (size_t)length);
    ck_assert_msg(vmx_writer_flush(writer, 60000, &error) == VMX_OK, "%s", error.message);
}

static void
must_fail(const column *columns, size_t count, int64_t length, vmx_status status, const char *words)
{
    size_t taken = 99;
    ck_assert_int_eq(put(columns, count, length, 0, NULL, &taken), status);
    ck_assert_msg(strstr(error.message, words) != NULL, "%s", error.message);
}

/* --- columns that are sound ---------------------------------------------------------------------------------------- */

/* Ids "1", "2", "3", "4": "4" lies behind the array's end. */
static const int32_t id_offsets[] = {0, 1, 2, 3, 4};
static const column utf8_ids = {"u", "id", 4, 0, 0, 3, {NULL, id_offsets, "1234"}, NULL, NULL};

static const float floats[] = {1, 10, 2, 20, 3, 30, 4, 40};
static const column float_items = {"f", "item", 8, 0, 0, 2, {NULL, floats}, NULL, NULL};
static const column vectors = {"+w:2", "values", 4, 0, 0, 1, {NULL}, &float_items, NULL};

static void
expect_stored(size_t first, size_t last)
{
    for (size_t id = 0; id < 8; id++) {
        bool wanted = id >= first && id <= last;
        ck_assert_msg(wanted ? s.values[id] == (float)id : isnan(s.values[id]), "id %zu: %g", id, (double)s.values[id]);
    }
}

START_TEST(a_batch_with_an_offset)
{
    const column columns[] = {utf8_ids, vectors};
    open_writer();
    must_put(columns, 2, 2, 1, NULL); /* rows 1 and 2 */
    expect_stored(2, 3);
    close_writer();
}
END_TEST

START_TEST(rows_before_the_first_are_skipped)
{
    const column columns[] = {utf8_ids, vectors};
    vmx_arrow_options options;
    size_t taken;
    vmx_arrow_options_init(&options, sizeof options);
    options.first_row = 2;
    open_writer();
    ck_assert_int_eq(put(columns, 2, 4, 0, &options, &taken), VMX_OK);
    ck_assert_uint_eq(taken, 2);
    options.first_row = 5;
    ck_assert_int_eq(put(columns, 2, 4, 0, &options, &taken), VMX_ERR_INVALID);
    ck_assert_int_eq(vmx_writer_flush(writer, 60000, &error), VMX_OK);
    expect_stored(3, 4);
    close_writer();
}
END_TEST

/* Every type of id, each with an offset of its own of one row. */
START_TEST(ids_of_every_type)
{
    static const int8_t i8[] = {9, 1, 2};
    static const uint16_t u16[] = {9, 1, 2};
    static const int32_t i32[] = {9, 1, 2};
    static const uint32_t u32[] = {9, 1, 2};
    static const int64_t i64[] = {9, 1, 2};
    static const uint64_t u64[] = {9, 1, 2};
    static const int64_t large_offsets[] = {0, 1, 2, 3};
    static const char views[3][16] = {"\1\0\0\0009", "\1\0\0\0001", "\1\0\0\0002"};
    static const int64_t view_sizes[] = {0};
    static const int8_t indices[] = {0, 3, 2};
    static const int32_t entry_offsets[] = {0, 1, 2, 3, 4};
    static const column entries = {"u", NULL, 4, 0, 0, 3, {NULL, entry_offsets, "9021"}, NULL, NULL};
    const column ids[] = {
        {"c", "id", 2, 0, 1, 2, {NULL, i8}, NULL, NULL},
        {"S", "id", 2, 0, 1, 2, {NULL, u16}, NULL, NULL},
        {"i", "id", 2, 0, 1, 2, {NULL, i32}, NULL, NULL},
        {"I", "id", 2, 0, 1, 2, {NULL, u32}, NULL, NULL},
        {"l", "id", 2, 0, 1, 2, {NULL, i64}, NULL, NULL},
        {"L", "id", 2, 0, 1, 2, {NULL, u64}, NULL, NULL},
        {"U", "id", 2, 0, 1, 3, {NULL, large_offsets, "912"}, NULL, NULL},
        {"vu", "id", 2, 0, 1, 3, {NULL, views, view_sizes}, NULL, NULL},
        {"c", "id", 2, 0, 1, 2, {NULL, indices}, NULL, &entries},
    };
    for (size_t i = 0; i < COUNT(ids); i++) {
        const column columns[] = {ids[i], vectors};
        open_writer();
        must_put(columns, 2, 2, 0, NULL);
        expect_stored(1, 2);
        close_writer();
    }
}
END_TEST

START_TEST(vectors_of_every_type)
{
    static const uint16_t halves[] = {0x3c00, 0x4900, 0x4000, 0x4d00}; /* 1, 10, 2, 20 */
    static const double doubles[] = {1, 10, 2, 20};
    static const int32_t list_offsets[] = {0, 2, 4};
    static const int64_t large_offsets[] = {0, 2, 4};
    static const unsigned char bytes[17] = {0, 0, 0, 0x80, 0x3f, 0, 0, 0x20, 0x41, 0, 0, 0, 0x40, 0, 0, 0xa0, 0x41};
    const column half_items = {"e", "item", 4, 0, 0, 2, {NULL, halves}, NULL, NULL};
    const column double_items = {"g", "item", 4, 0, 0, 2, {NULL, doubles}, NULL, NULL};
    const column odd_items = {"f", "item", 4, 0, 0, 2, {NULL, bytes + 1}, NULL, NULL}; /* not aligned */
    const column values[] = {
        {"+w:2", "values", 2, 0, 0, 1, {NULL}, &half_items, NULL},
        {"+w:2", "values", 2, 0, 0, 1, {NULL}, &double_items, NULL},
        {"+w:2", "values", 2, 0, 0, 1, {NULL}, &odd_items, NULL},
        {"+l", "values", 2, 0, 0, 2, {NULL, list_offsets}, &float_items, NULL},
        {"+L", "values", 2, 0, 0, 2, {NULL, large_offsets}, &double_items, NULL},
    };
    for (size_t i = 0; i < COUNT(values); i++) {
        const column columns[] = {utf8_ids, values[i]};
        open_writer();
        must_put(columns, 2, 2, 0, NULL);
        expect_stored(1, 2);
        close_writer();
    }
}
END_TEST

/* --- metadata: seen in dead letters, which say it as JSON ---------------------------------------------------------- */

static void
expect_metadata(const column *extra, size_t count, const vmx_arrow_options *options, const char *first,
                const char *second)
{
    char path[] = "/tmp/vecmux-dead-XXXXXX", text[4096] = "";
    close(mkstemp(path));
    column columns[8] = {utf8_ids, vectors};
    memcpy(columns + 2, extra, count * sizeof *extra);
    store_open(&s, 1, NULL);
    s.dimension = 99; /* refuses all */
    vmx_writer_options writer_options;
    vmx_writer_options_init(&writer_options, sizeof writer_options);
    writer_options.dead_letter_file = vmx_str_from(path);
    ck_assert_int_eq(vmx_writer_open(s.w->index, &writer_options, &writer, &error), VMX_OK);
    must_put(columns, 2 + count, 2, 0, options);
    FILE *file = fopen(path, "r");
    ck_assert_uint_gt(fread(text, 1, sizeof text - 1, file), 0);
    fclose(file);
    unlink(path);
    close_writer();
    ck_assert_msg(strstr(text, first) != NULL, "%s", text);
    ck_assert_msg(strstr(text, second) != NULL, "%s", text);
}

START_TEST(the_other_columns_are_metadata)
{
    static const uint8_t second_only = 2;
    static const int64_t numbers[] = {7, -8};
    static const double doubles[] = {0.5, 1e300};
    static const float singles[] = {0.1f, 2};
    static const uint8_t bits = 1;
    static const int32_t text_offsets[] = {0, 3, 4};
    static const int32_t list_offsets[] = {0, 2, 3};
    static const int32_t word_offsets[] = {0, 1, 2, 3};
    static const column words = {"u", "item", 3, 0, 0, 3, {NULL, word_offsets, "xyz"}, NULL, NULL};
    const column fields[] = {
        {"l", "n", 2, 1, 0, 2, {&second_only, numbers}, NULL, NULL}, /* null in the first row */
        {"g", "d", 2, 0, 0, 2, {NULL, doubles}, NULL, NULL},
        {"b", "b", 2, 0, 0, 2, {NULL, &bits}, NULL, NULL},
        {"u", "t", 2, 0, 0, 3, {NULL, text_offsets, "a\"bc"}, NULL, NULL},
        {"+l", "l", 2, 0, 0, 2, {NULL, list_offsets}, &words, NULL},
        {"n", "nothing", 2, 2, 0, 0, {NULL}, NULL, NULL},
    };
    expect_metadata(
        fields, COUNT(fields), NULL,
        "{\"id\":\"1\",\"values\":[1,10],\"metadata\":{\"d\":0.5,\"b\":true,\"t\":\"a\\\"b\",\"l\":[\"x\",\"y\"]"
        "},\"error\"",
        "\"metadata\":{\"n\":-8,\"d\":1e+300,\"b\":false,\"t\":\"c\",\"l\":[\"z\"]}");
    const column single = {"f", "f", 2, 0, 0, 2, {NULL, singles}, NULL, NULL};
    expect_metadata(&single, 1, NULL, "{\"f\":0.1}", "{\"f\":2}");
}
END_TEST

START_TEST(metadata_may_be_json_or_none)
{
    static const uint8_t first_only = 1;
    static const int32_t offsets[] = {0, 7, 7};
    const column json = {"u", "m", 2, 1, 0, 3, {&first_only, offsets, "{\"a\":1}"}, NULL, NULL};
    vmx_arrow_options options;
    vmx_arrow_options_init(&options, sizeof options);
    options.metadata = VMX_ARROW_METADATA_JSON;
    options.metadata_column = VMX_STR("m");
    expect_metadata(&json, 1, &options, "[1,10],\"metadata\":{\"a\":1},", "[2,20],\"error\"");
    options.metadata = VMX_ARROW_METADATA_NONE;
    expect_metadata(&json, 1, &options, "[1,10],\"error\"", "[2,20],\"error\"");
}
END_TEST

/* Texts longer than 12 bytes lie in data buffers, which views lead to. */
START_TEST(long_views_are_followed)
{
    static const char data[] = "twenty bytes of text";
    static const int64_t sizes[] = {20};
    struct view {
        int32_t len;
        char prefix[4];
        int32_t buffer, offset;
    } views[2] = {{20, "twen", 0, 0}, {20, "twen", 0, 0}};
    const column field = {"vu", "v", 2, 0, 0, 4, {NULL, views, data, sizes}, NULL, NULL};
    const column columns[] = {utf8_ids, vectors, field};
    expect_metadata(&field, 1, NULL, "{\"v\":\"twenty bytes of text\"}", "{\"v\":\"twenty bytes of text\"}");
    open_writer();
    views[1].offset = 1;
    must_fail(columns, 3, 2, VMX_ERR_INVALID, "row 1, column \"v\" (format \"vu\"): a view that leads out of");
    views[1].buffer = 1;
    must_fail(columns, 3, 2, VMX_ERR_INVALID, "a view that leads nowhere");
    close_writer();
}
END_TEST

/* --- lending ------------------------------------------------------------------------------------------------------- */

enum { WIDE = 784 };

static float wide[3 * WIDE];
static const column wide_items = {"f", "item", 3 * WIDE, 0, 0, 2, {NULL, wide}, NULL, NULL};
static const column wide_vectors = {"+w:784", "values", 3, 0, 0, 1, {NULL}, &wide_items, NULL};
static size_t releases;

static void
on_release(void *user)
{
    (void)user;
    releases++;
}

static void
expect_in_place(size_t count)
{
    ck_assert_uint_eq(s.reference_count, count);
    for (size_t i = 0; i < count; i++)
        ck_assert_ptr_eq(s.references[i], (const uint8_t *)&wide[i % 3 * WIDE]);
}

START_TEST(lent_arrays_are_sent_from_where_they_are)
{
    const column columns[] = {utf8_ids, wide_vectors};
    vmx_arrow_options options;
    vmx_arrow_options_init(&options, sizeof options);
    options.release = on_release;
    releases = 0;
    open_writer();
    must_put(columns, 2, 3, 0, &options);
    ck_assert_uint_eq(releases, 1);
    expect_in_place(3);
    close_writer();
    open_writer(); /* what has to be converted is copied, and given back at once */
    const column narrow[] = {utf8_ids, vectors};
    size_t taken;
    ck_assert_int_eq(put(narrow, 2, 3, 0, &options, &taken), VMX_OK);
    ck_assert_int_eq(vmx_writer_flush(writer, 60000, &error), VMX_OK);
    ck_assert_uint_eq(releases, 2);
    close_writer();
}
END_TEST

/* --- streams ------------------------------------------------------------------------------------------------------- */

START_TEST(a_stream_is_read_to_its_end)
{
    const column columns[] = {utf8_ids, wide_vectors};
    for (int lend = 0; lend < 2; lend++) {
        struct ArrowArrayStream stream;
        size_t taken;
        vmx_arrow_options options;
        vmx_arrow_options_init(&options, sizeof options);
        options.lend = lend == 1;
        open_writer();
        produce_stream(&stream, columns, 2, 3, 5, false);
        ck_assert_msg(vmx_writer_put_arrow_stream(writer, &stream, &options, 60000, &taken, &error) == VMX_OK, "%s",
                      error.message);
        ck_assert_uint_eq(taken, 15);
        ck_assert_ptr_null((void *)(uintptr_t)stream.release);
        ck_assert_int_eq(vmx_writer_flush(writer, 60000, &error), VMX_OK);
        ck_assert_uint_eq(s.vectors, 15);
        if (lend == 1)
            expect_in_place(15);
        close_writer();
    }
}
END_TEST

START_TEST(a_stream_that_fails_says_why)
{
    const column columns[] = {utf8_ids, vectors};
    struct ArrowArrayStream stream;
    size_t taken;
    open_writer();
    produce_stream(&stream, columns, 2, 4, 2, true);
    ck_assert_int_eq(vmx_writer_put_arrow_stream(writer, &stream, NULL, 60000, &taken, &error), VMX_ERR_IO);
    ck_assert_uint_eq(taken, 8);
    ck_assert_ptr_nonnull(strstr(error.message, "after 8 rows: the disk is gone"));
    ck_assert_int_eq(vmx_writer_put_arrow_stream(writer, &stream, NULL, 0, &taken, &error), VMX_ERR_INVALID);
    close_writer();
}
END_TEST

START_TEST(a_stream_without_functions_is_released_too)
{
    const column columns[] = {utf8_ids, vectors};
    for (int i = 0; i < 2; i++) {
        struct ArrowArrayStream stream;
        size_t taken;
        open_writer();
        produce_stream(&stream, columns, 2, 4, 1, false);
        if (i == 0)
            stream.get_schema = NULL;
        else
            stream.get_next = NULL;
        ck_assert_int_eq(vmx_writer_put_arrow_stream(writer, &stream, NULL, 0, &taken, &error), VMX_ERR_INVALID);
        ck_assert_ptr_null((void *)(uintptr_t)stream.release);
        close_writer();
    }
}
END_TEST

/* --- rows and producers that are wrong ----------------------------------------------------------------------------- */

START_TEST(wrong_rows_are_named)
{
    static const uint8_t not_second = 0xfd;
    static const int32_t wrong_offsets[] = {0, 3, 2, 3, 4};
    static const float with_nan[] = {1, 10, 2, NAN};
    const column nan_items = {"f", "item", 4, 0, 0, 2, {NULL, with_nan}, NULL, NULL};
    const column holes = {"f", "item", 8, 1, 0, 2, {&not_second, floats}, NULL, NULL};
    const struct {
        column id, vector;
        const char *words;
    } cases[] = {
        {{"u", "id", 4, 1, 0, 3, {&not_second, id_offsets, "1234"}, NULL, NULL},
         vectors,
         "row 1, column \"id\" (format \"u\"): null"},
        {{"u", "id", 4, 0, 0, 3, {NULL, wrong_offsets, "1234"}, NULL, NULL},
         vectors,
         "row 1, column \"id\" (format \"u\"): offsets"},
        {utf8_ids,
         {"+w:2", "values", 4, 1, 0, 1, {&not_second}, &float_items, NULL},
         "row 1, column \"values\" (format \"+w:2\"): null"},
        {utf8_ids,
         {"+w:2", "values", 4, 0, 0, 1, {NULL}, &holes, NULL},
         "row 0, column \"values\" (format \"+w:2\"): a null inside"},
        {utf8_ids,
         {"+l", "values", 4, 0, 0, 2, {NULL, wrong_offsets}, &float_items, NULL},
         "row 1, column \"values\" (format \"+l\"): offsets"},
        {utf8_ids, {"+w:2", "values", 2, 0, 0, 1, {NULL}, &nan_items, NULL}, "put: vector 1 (id \"2\"): "},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const column columns[] = {cases[i].id, cases[i].vector};
        open_writer();
        must_fail(columns, 2, 2, VMX_ERR_INVALID, cases[i].words);
        close_writer();
    }
}
END_TEST

START_TEST(types_that_are_not_read_are_named)
{
    static const int64_t times[] = {1, 2, 3, 4};
    const column time = {"tsu:", "when", 4, 0, 0, 2, {NULL, times}, NULL, NULL};
    const column times_as_id = {"tsu:", "id", 4, 0, 0, 2, {NULL, times}, NULL, NULL};
    const column int_items = {"l", "item", 4, 0, 0, 2, {NULL, times}, NULL, NULL};
    const column int_vectors = {"+w:1", "values", 4, 0, 0, 1, {NULL}, &int_items, NULL};
    const column a[] = {utf8_ids, vectors, time}, b[] = {times_as_id, vectors}, c[] = {utf8_ids, int_vectors};
    const column d[] = {utf8_ids, time}, e[] = {utf8_ids, vectors, utf8_ids};
    open_writer();
    must_fail(a, 3, 4, VMX_ERR_UNSUPPORTED, "column \"when\" has the Arrow format \"tsu:\"");
    must_fail(b, 2, 4, VMX_ERR_UNSUPPORTED, "column \"id\" has the Arrow format \"tsu:\"");
    must_fail(c, 2, 4, VMX_ERR_UNSUPPORTED, "column \"item\" has the Arrow format \"l\"");
    must_fail(d, 2, 4, VMX_ERR_INVALID, "no column \"values\" in the record batch; set vector_column");
    must_fail(e, 3, 4, VMX_ERR_INVALID, "two columns are named \"id\"");
    close_writer();
}
END_TEST

/* A producer that contradicts itself is refused before anything is read. */
START_TEST(unsound_arrays_are_refused)
{
    column few_items = float_items;
    few_items.length = 7;
    const struct {
        column id, vector;
        const char *words;
    } cases[] = {
        {{"u", "id", 1, 0, 0, 3, {NULL, id_offsets, "1"}, NULL, NULL}, vectors, "shorter than the record batch"},
        {{"u", "id", 4, 0, 0, 2, {NULL, id_offsets, "1"}, NULL, NULL}, vectors, "number of buffers"},
        {{"u", "id", 4, 0, 0, 3, {NULL, NULL, "1"}, NULL, NULL}, vectors, "second buffer is NULL"},
        {{"u", "id", 4, 0, 0, 3, {NULL, id_offsets, NULL}, NULL, NULL}, vectors, "data buffer is NULL"},
        {{"u", "id", 4, 2, 0, 3, {NULL, id_offsets, "1"}, NULL, NULL}, vectors, "no validity bitmap"},
        {{"u", "id", 4, 9, 0, 3, {NULL, id_offsets, "1"}, NULL, NULL}, vectors, "null count is impossible"},
        {{"u", "id", 4, 0, -1, 3, {NULL, id_offsets, "1"}, NULL, NULL}, vectors, "offset is impossible"},
        {{"u", "id", 4, 0, INT64_MAX, 3, {NULL, id_offsets, "1"}, NULL, NULL}, vectors, "offset is impossible"},
        {utf8_ids, {"+w:2", "values", 4, 0, 0, 1, {NULL}, &few_items, NULL}, "shorter than the record batch"},
        {utf8_ids,
         {"+w:2000000000", "values", 4, 0, INT64_MAX / 64, 1, {NULL}, &few_items, NULL},
         "length is impossible"},
        {utf8_ids, {"+w:2", "values", 4, 0, 0, 1, {NULL}, NULL, NULL}, "one column of items"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const column columns[] = {cases[i].id, cases[i].vector};
        open_writer();
        must_fail(columns, 2, 4, VMX_ERR_INVALID, cases[i].words);
        close_writer();
    }
}
END_TEST

START_TEST(released_structs_are_refused)
{
    const column columns[] = {utf8_ids, vectors};
    struct ArrowSchema schema;
    struct ArrowArray array;
    size_t taken;
    open_writer();
    produce_batch(&schema, &array, columns, 2, 4, 0);
    produce_release(&schema, &array);
    ck_assert_int_eq(vmx_writer_put_arrow(writer, &array, &schema, NULL, 0, &taken, &error), VMX_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(error.message, "released"));
    close_writer();
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {a_batch_with_an_offset,
                                  rows_before_the_first_are_skipped,
                                  ids_of_every_type,
                                  vectors_of_every_type,
                                  the_other_columns_are_metadata,
                                  metadata_may_be_json_or_none,
                                  long_views_are_followed,
                                  lent_arrays_are_sent_from_where_they_are,
                                  a_stream_is_read_to_its_end,
                                  a_stream_that_fails_says_why,
                                  a_stream_without_functions_is_released_too,
                                  wrong_rows_are_named,
                                  types_that_are_not_read_are_named,
                                  unsound_arrays_are_refused,
                                  released_structs_are_refused,
                                  NULL};
    return run_suite("writer_arrow", tests);
}
