/* Rows become an UpsertRequest in columns: read back with protobuf-c, which shares nothing with the encoder. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/lender.h"
#include "engine/milvus/columns.h"
#include "engine/milvus/milvus.h"

#define ROWS      3
#define DIMENSION (VMX_REFERENCE_MIN_BYTES / sizeof(float)) /* so many values are referenced */

static vmx_engine engine;
static vmx_arena arena;
static float values[ROWS][DIMENSION];
static const char *const ids[ROWS] = {"a", "7", "\xc3\xa9\"'\\"};
static const char *const metadata[ROWS] = {"{\"n\":1}", "", "{\"l\":[\"x\"]}"};

static void
set_up(void)
{
    engine = (vmx_engine){.vtable = &vmx_milvus_vtable, .state = vmx_milvus_memory_new(1)};
    engine.limits = (vmx_limits){1000, 1 << 20, 1 << 16, 1 << 20};
    for (size_t i = 0; i < ROWS * DIMENSION; i++)
        values[i / DIMENSION][i % DIMENSION] = (float)i;
}

static void
tear_down(void)
{
    vmx_milvus_memory_free(engine.state);
    vmx_arena_reset(&arena);
}

static vmx_milvus_schema
schema_of(uint32_t dimension)
{
    return (vmx_milvus_schema){.id = "pk", .vector = "v", .metadata = "metadata", .dimension = dimension};
}

/* `sparse` is of the first row. */
static vmx_status
encode(const vmx_milvus_schema *schema, size_t dimension, vmx_sparse sparse, vmx_block *lender, vmx_message *message,
       vmx_error *error)
{
    vmx_vector vectors[ROWS];
    vmx_row_target target = {&engine, VMX_STR("c"), VMX_STR("n")};
    for (size_t i = 0; i < ROWS; i++) {
        vmx_vector_init(&vectors[i], sizeof vectors[i]);
        vectors[i].id = VMX_STR(ids[i]);
        vectors[i].values = (vmx_floats){values[i], dimension};
        vectors[i].metadata = VMX_STR(metadata[i]);
    }
    vectors[0].sparse = sparse;
    vmx_milvus_remember(engine.state, VMX_STR("c"), schema);
    vmx_vectors list = {vectors, ROWS, sizeof vectors[0]};
    return vmx_rows_encode(&vmx_milvus_rows, &target, &list, lender, message, error);
}

static Milvus__UpsertRequest *
unpack(const vmx_message *message)
{
    vmx_str bytes = vmx_exchange_flatten(&arena, message);
    ck_assert_uint_eq(bytes.len, message->size_bytes);
    Milvus__UpsertRequest *request = milvus__upsert_request__unpack(NULL, bytes.len, (const uint8_t *)bytes.ptr);
    ck_assert_ptr_nonnull(request);
    return request;
}

START_TEST(rows_become_columns)
{
    vmx_error error;
    vmx_message message;
    size_t dimension = _i == 0 ? 2 : DIMENSION;
    vmx_milvus_schema schema = schema_of((uint32_t)dimension);
    ck_assert_int_eq(encode(&schema, dimension, (vmx_sparse){0}, NULL, &message, &error), VMX_OK);
    Milvus__UpsertRequest *request = unpack(&message);
    ck_assert_str_eq(request->collection_name, "c");
    ck_assert_str_eq(request->partition_name, "n");
    ck_assert_uint_eq(request->num_rows, ROWS);
    ck_assert_uint_eq(request->n_fields_data, 3);
    const Milvus__FieldData *id = request->fields_data[0], *vector = request->fields_data[1],
                            *json = request->fields_data[2];
    ck_assert_str_eq(id->field_name, "pk");
    ck_assert_int_eq(id->type, VMX_MILVUS_VARCHAR);
    ck_assert_int_eq(vector->vectors->dim, (int64_t)dimension);
    ck_assert_uint_eq(vector->vectors->float_vector->n_data, ROWS * dimension);
    ck_assert_int_eq(json->type, VMX_MILVUS_JSON);
    for (size_t i = 0; i < ROWS; i++) {
        const ProtobufCBinaryData *text = &json->scalars->json_data->data[i];
        const char *expected = metadata[i][0] != '\0' ? metadata[i] : "{}";
        ck_assert_str_eq(id->scalars->string_data->data[i], ids[i]);
        ck_assert_mem_eq(vector->vectors->float_vector->data + i * dimension, values[i], dimension * sizeof(float));
        ck_assert_uint_eq(text->len, strlen(expected));
        ck_assert_mem_eq(text->data, expected, text->len);
    }
    milvus__upsert_request__free_unpacked(request, NULL);
    vmx_message_clear(&message);
}
END_TEST

static int released;

static void
note_release(void *user)
{
    (void)user;
    released++;
}

/* Lent values that lie one behind the other are one slice of the caller's own memory. */
START_TEST(lent_values_are_not_copied)
{
    vmx_error error;
    vmx_message message;
    vmx_milvus_schema schema = schema_of(DIMENSION);
    vmx_block *lender = vmx_lender_new(note_release, NULL);
    released = 0;
    ck_assert_int_eq(encode(&schema, DIMENSION, (vmx_sparse){0}, lender, &message, &error), VMX_OK);
    vmx_block_release(lender);
    size_t found = 0;
    for (size_t i = 0; i < message.count; i++)
        found += message.slices[i].data == (const uint8_t *)values && message.slices[i].len == sizeof values;
    ck_assert_uint_eq(found, 1);
    ck_assert_int_eq(released, 0);
    vmx_message_clear(&message);
    ck_assert_int_eq(released, 1);
}
END_TEST

START_TEST(dynamic_and_sparse_columns)
{
    vmx_error error;
    vmx_message message;
    uint32_t indices[] = {9, 2};
    float numbers[] = {1.5f, -1};
    vmx_milvus_schema schema = schema_of(2);
    strcpy(schema.metadata, "$meta");
    strcpy(schema.sparse, "s");
    schema.dynamic = true;
    ck_assert_int_eq(encode(&schema, 2, (vmx_sparse){indices, numbers, 2}, NULL, &message, &error), VMX_OK);
    Milvus__UpsertRequest *request = unpack(&message);
    ck_assert_uint_eq(request->n_fields_data, 4);
    ck_assert(request->fields_data[2]->is_dynamic);
    const Milvus__SparseFloatArray *sparse = request->fields_data[3]->vectors->sparse_float_vector;
    static const uint8_t pairs[] = {2, 0, 0, 0, 0, 0, 0x80, 0xbf, 9, 0, 0, 0, 0, 0, 0xc0, 0x3f};
    ck_assert_uint_eq(sparse->n_contents, ROWS);
    ck_assert_uint_eq(sparse->contents[0].len, sizeof pairs);
    ck_assert_mem_eq(sparse->contents[0].data, pairs, sizeof pairs); /* sorted by index */
    ck_assert_uint_eq(sparse->contents[1].len, 0);
    milvus__upsert_request__free_unpacked(request, NULL);
    vmx_message_clear(&message);
}
END_TEST

/* What does not fit the schema is refused, and the message says what. */
START_TEST(misfits)
{
    vmx_error error;
    vmx_message message;
    uint32_t index = 1;
    float number = 1;
    vmx_milvus_schema schema = schema_of(3);
    ck_assert_int_eq(encode(&schema, 2, (vmx_sparse){0}, NULL, &message, &error), VMX_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(error.message, "2 dimensions, but the collection has 3"));
    schema = schema_of(2);
    ck_assert_int_eq(encode(&schema, 2, (vmx_sparse){&index, &number, 1}, NULL, &message, &error), VMX_ERR_UNSUPPORTED);
    schema.integer_ids = true;
    ck_assert_int_eq(encode(&schema, 2, (vmx_sparse){0}, NULL, &message, &error), VMX_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(error.message, "the id \"a\" is no whole number"));
    schema = schema_of(2);
    schema.metadata[0] = '\0';
    ck_assert_int_eq(encode(&schema, 2, (vmx_sparse){0}, NULL, &message, &error), VMX_ERR_UNSUPPORTED);
    strcpy(schema.strange, "price");
    ck_assert_int_eq(encode(&schema, 2, (vmx_sparse){0}, NULL, &message, &error), VMX_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(error.message, "\"price\""));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("milvus_columns");
    TCase *tests = tcase_create("columns");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, rows_become_columns, 0, 2);
    tcase_add_test(tests, lent_values_are_not_copied);
    tcase_add_test(tests, dynamic_and_sparse_columns);
    tcase_add_test(tests, misfits);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
