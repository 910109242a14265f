/* Filters over packed metadata, and what may be stored as metadata. */
#include <stdio.h>
#include <string.h>

#include "core/suite.h"
#include "server/filter.h"
#include "server/limits.h"
#include "server/messages.h"

typedef struct match_row {
    const char *filter;
    const char *metadata;
    bool matches;
} match_row;

#define RECORD "{\"genre\":\"drama\",\"year\":2020,\"seen\":true,\"tags\":[\"a\",\"b\",\"\"],\"\":\"empty key\"}"

static const match_row match_rows[] = {
    {"{}", RECORD, true},
    {"{}", "{}", true},
    {"{\"genre\":\"drama\"}", RECORD, true},
    {"{\"genre\":\"dram\"}", RECORD, false},
    {"{\"genre\":\"dramas\"}", RECORD, false},
    {"{\"genre\":\"drama\"}", "{}", false},
    {"{\"\":\"empty key\"}", RECORD, true},
    {"{\"year\":2020}", RECORD, true},
    {"{\"year\":\"2020\"}", RECORD, false},
    {"{\"seen\":true}", RECORD, true},
    {"{\"seen\":false}", RECORD, false},
    {"{\"seen\":1}", RECORD, false},
    {"{\"tags\":\"b\"}", RECORD, true},
    {"{\"tags\":\"\"}", RECORD, true},
    {"{\"tags\":\"c\"}", RECORD, false},
    {"{\"tags\":\"a\"}", "{\"tags\":[]}", false},
    {"{\"genre\":{\"$ne\":\"drama\"}}", RECORD, false},
    {"{\"genre\":{\"$ne\":\"comedy\"}}", RECORD, true},
    {"{\"genre\":{\"$ne\":\"drama\"}}", "{}", true},
    {"{\"tags\":{\"$ne\":\"a\"}}", RECORD, false},
    {"{\"year\":{\"$gt\":2020}}", RECORD, false},
    {"{\"year\":{\"$gte\":2020}}", RECORD, true},
    {"{\"year\":{\"$lt\":2020}}", RECORD, false},
    {"{\"year\":{\"$lte\":2020}}", RECORD, true},
    {"{\"year\":{\"$gt\":2019,\"$lt\":2021}}", RECORD, true},
    {"{\"year\":{\"$gt\":2019,\"$lt\":2020}}", RECORD, false},
    {"{\"genre\":{\"$gt\":0}}", RECORD, false},
    {"{\"absent\":{\"$lt\":0}}", RECORD, false},
    {"{\"genre\":{\"$in\":[\"comedy\",\"drama\",7]}}", RECORD, true},
    {"{\"year\":{\"$in\":[1,2020,\"x\"]}}", RECORD, true},
    {"{\"tags\":{\"$in\":[\"z\",\"b\"]}}", RECORD, true},
    {"{\"genre\":{\"$in\":[]}}", RECORD, false},
    {"{\"genre\":{\"$nin\":[]}}", RECORD, true},
    {"{\"genre\":{\"$nin\":[\"drama\"]}}", RECORD, false},
    {"{\"tags\":{\"$nin\":[\"x\",\"a\"]}}", RECORD, false},
    {"{\"absent\":{\"$nin\":[\"a\"]}}", RECORD, true},
    {"{\"genre\":{\"$exists\":true}}", RECORD, true},
    {"{\"genre\":{\"$exists\":false}}", RECORD, false},
    {"{\"absent\":{\"$exists\":true}}", RECORD, false},
    {"{\"absent\":{\"$exists\":false}}", RECORD, true},
    {"{\"genre\":{\"$not\":{\"$eq\":\"drama\"}}}", RECORD, false},
    {"{\"year\":{\"$not\":{\"$gt\":2020}}}", RECORD, true},
    {"{\"year\":{\"$not\":{\"$gt\":2000,\"$lt\":2010}}}", RECORD, true},
    {"{\"genre\":\"drama\",\"year\":1}", RECORD, false},
    {"{\"$and\":[{\"genre\":\"drama\"},{\"year\":2020}]}", RECORD, true},
    {"{\"$and\":[{\"genre\":\"drama\"},{\"year\":1}]}", RECORD, false},
    {"{\"$or\":[{\"genre\":\"x\"},{\"year\":2020}]}", RECORD, true},
    {"{\"$or\":[{\"genre\":\"x\"},{\"year\":1}]}", RECORD, false},
    {"{\"$or\":[{\"$and\":[{\"seen\":true},{\"tags\":\"a\"}]},{\"year\":1}],\"genre\":\"drama\"}", RECORD, true},
};

START_TEST(filters_match_as_documented)
{
    for (size_t i = 0; i < sizeof match_rows / sizeof match_rows[0]; i++) {
        const match_row *row = &match_rows[i];
        vmx_arena arena = {0};
        vmxd_status status = {0};
        const vmxd_filter *filter = vmxd_filter_compile(struct_of(&arena, row->filter), &arena, &status);
        ck_assert_msg(filter != NULL, "%s: %s", row->filter, status.text);
        ck_assert_msg(vmxd_filter_match(filter, packed_of(&arena, row->metadata)) == row->matches, "%s on %s",
                      row->filter, row->metadata);
        vmx_arena_reset(&arena);
    }
}
END_TEST

static const char *const refused[][2] = {
    {"{\"$eq\":1}", "$eq"},
    {"{\"$not\":{\"a\":1}}", "$not"},
    {"{\"a\":{\"$like\":1}}", "$like"},
    {"{\"a\":{}}", "no condition"},
    {"{\"a\":null}", "'a'"},
    {"{\"a\":{\"$eq\":null}}", "$eq"},
    {"{\"a\":[1]}", "'a'"},
    {"{\"a\":{\"$eq\":[\"x\"]}}", "$eq"},
    {"{\"a\":{\"$eq\":{\"b\":1}}}", "$eq"},
    {"{\"a\":{\"b\":1}}", "'b'"},
    {"{\"a\":{\"$gt\":\"x\"}}", "$gt"},
    {"{\"a\":{\"$gt\":true}}", "$gt"},
    {"{\"a\":{\"$in\":\"x\"}}", "$in"},
    {"{\"a\":{\"$in\":[true]}}", "$in"},
    {"{\"a\":{\"$in\":[[1]]}}", "$in"},
    {"{\"a\":{\"$exists\":1}}", "$exists"},
    {"{\"a\":{\"$not\":\"x\"}}", "$not"},
    {"{\"a\":{\"$not\":{}}}", "no condition"},
    {"{\"$and\":[]}", "$and"},
    {"{\"$and\":{\"a\":1}}", "$and"},
    {"{\"$or\":[1]}", "$or"},
};

START_TEST(wrong_filters_are_named)
{
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        vmx_arena arena = {0};
        vmxd_status status = {0};
        const vmxd_filter *filter = vmxd_filter_compile(struct_of(&arena, refused[i][0]), &arena, &status);
        ck_assert_msg(filter == NULL, "%s was taken", refused[i][0]);
        ck_assert_int_eq(status.code, GRPC_STATUS_INVALID_ARGUMENT);
        ck_assert_msg(strstr(status.text, refused[i][1]) != NULL, "%s: %s", refused[i][0], status.text);
        vmx_arena_reset(&arena);
    }
}
END_TEST

static void
fill_in_list(vmx_buffer *json, size_t count)
{
    vmx_buffer_append_text(json, "{\"a\":{\"$in\":[");
    for (size_t i = 0; i < count; i++)
        vmx_buffer_printf(json, "%s%zu", i ? "," : "", i);
    vmx_buffer_append_text(json, "]}}");
    vmx_buffer_append_byte(json, 0);
}

START_TEST(in_takes_ten_thousand_values)
{
    for (size_t extra = 0; extra < 2; extra++) {
        vmx_arena arena = {0};
        vmx_buffer json = {0};
        vmxd_status status = {0};
        fill_in_list(&json, VMXD_MAX_OPERATOR_VALUES + extra);
        const vmxd_filter *filter = vmxd_filter_compile(struct_of(&arena, (const char *)json.data), &arena, &status);
        ck_assert_int_eq(filter != NULL, extra == 0);
        if (filter) {
            ck_assert(vmxd_filter_match(filter, packed_of(&arena, "{\"a\":9999}")));
            ck_assert(!vmxd_filter_match(filter, packed_of(&arena, "{\"a\":10000}")));
        } else {
            ck_assert_ptr_nonnull(strstr(status.text, "10001"));
        }
        vmx_buffer_free(&json);
        vmx_arena_reset(&arena);
    }
}
END_TEST

typedef struct metadata_row {
    const char *json;
    const char *complaint; /* NULL: may be stored */
} metadata_row;

static const metadata_row metadata_rows[] = {
    {"{}", NULL},
    {"{\"a\":1,\"b\":\"\",\"c\":false,\"d\":[],\"e\":[\"x\",\"\"],\"\":0,\"\\u00e9\":1}", NULL},
    {"{\"a\":null}", "null"},
    {"{\"a\":{\"b\":1}}", "an object"},
    {"{\"a\":[1]}", "a list"},
    {"{\"a\":[\"x\",null]}", "a list"},
    {"{\"$a\":1}", "$a"},
};

START_TEST(metadata_is_flat)
{
    for (size_t i = 0; i < sizeof metadata_rows / sizeof metadata_rows[0]; i++) {
        vmx_arena arena = {0};
        vmxd_status status = {0};
        bool valid = vmxd_metadata_check(struct_of(&arena, metadata_rows[i].json), &arena, &status);
        ck_assert_msg(valid == !metadata_rows[i].complaint, "%s", metadata_rows[i].json);
        if (!valid)
            ck_assert_msg(strstr(status.text, metadata_rows[i].complaint) != NULL, "%s", status.text);
        vmx_arena_reset(&arena);
    }
}
END_TEST

/* Wire bytes may name a key twice; the last one counts. */
START_TEST(last_of_equal_keys_stays)
{
    vmx_arena arena = {0};
    vmxd_status status = {0};
    Google__Protobuf__Struct *message = struct_of(&arena, "{\"a\":1,\"b\":2,\"c\":3,\"d\":4}");
    message->fields[2]->key = (char *)"a";
    message->fields[3]->key = (char *)"a";
    ck_assert(vmxd_metadata_check(message, &arena, &status));
    ck_assert_uint_eq(message->n_fields, 2);
    ck_assert_str_eq(message->fields[0]->key, "b");
    ck_assert_str_eq(message->fields[1]->key, "a");
    ck_assert_double_eq(message->fields[1]->value->number_value, 4);
    vmx_arena_reset(&arena);
}
END_TEST

START_TEST(merge_sets_and_keeps)
{
    vmx_arena arena = {0};
    vmx_str stored = packed_of(&arena, "{\"a\":1,\"b\":\"x\"}");
    Google__Protobuf__Struct *merged = vmxd_metadata_merge(stored, struct_of(&arena, "{\"b\":2,\"c\":true}"), &arena);
    ck_assert_ptr_nonnull(merged);
    vmx_buffer json = {0};
    vmx_struct_to_json(merged, &json);
    vmx_buffer_append_byte(&json, 0);
    ck_assert_str_eq((const char *)json.data, "{\"a\":1,\"b\":2,\"c\":true}");
    vmx_buffer_free(&json);
    vmx_arena_reset(&arena);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {filters_match_as_documented,
                                  wrong_filters_are_named,
                                  in_takes_ten_thousand_values,
                                  metadata_is_flat,
                                  last_of_equal_keys_stays,
                                  merge_sets_and_keeps,
                                  NULL};
    return run_suite("server_filter", tests);
}
