#include <jansson.h>
#include <pinecone/vector_service.pb-c.h>
#include <stdio.h>
#include <string.h>

#include "core/comma_locale.h"
#include "core/failing_allocator.h"
#include "core/random.h"
#include "core/suite.h"
#include "wire/arena_allocator.h"
#include "wire/guard.h"
#include "wire/struct_json.h"

static vmx_arena arena;
static vmx_error error;
static Google__Protobuf__Struct *object;

static vmx_status
read_text(const char *text, size_t len)
{
    vmx_arena_reset(&arena);
    return vmx_struct_from_json(&arena, (vmx_str){text, len}, "filter", &object, &error);
}

/* The text after a walk into the Struct, its wire bytes and back; of vmx_buffer, free it. */
static vmx_buffer
round_trip(const char *text)
{
    vmx_status status = read_text(text, strlen(text));
    ck_assert_msg(status == VMX_OK, "%s: %s", text, error.message);
    vmx_buffer wire = {0}, json = {0};
    size_t len = google__protobuf__struct__get_packed_size(object);
    google__protobuf__struct__pack(object, vmx_buffer_reserve(&wire, len));
    vmx_arena_reset(&arena);
    ck_assert_int_eq(vmx_guard_check(&google__protobuf__struct__descriptor, wire.data, len, NULL, &error), VMX_OK);
    ProtobufCAllocator allocator = vmx_arena_allocator(&arena);
    object = google__protobuf__struct__unpack(&allocator, len, wire.data);
    ck_assert_ptr_nonnull(object);
    vmx_struct_to_json(object, &json);
    vmx_buffer_append_byte(&json, '\0');
    ck_assert(!json.failed);
    vmx_buffer_free(&wire);
    return json;
}

static void
check_round_trip(const char *text, const char *expected)
{
    vmx_buffer json = round_trip(text);
    ck_assert_str_eq((char *)json.data, expected);
    vmx_buffer_free(&json);
}

static void
check_examples(void)
{
    check_round_trip("{}", "{}");
    check_round_trip(" \n{ \"b\" : 1 , \"a\" : [ ] }\r\n", "{\"b\":1,\"a\":[]}"); /* the stored order */
    check_round_trip("{\"a\":[1,-2.5,1e300,0.1,true,false,null,\"x\",{\"b\":{}}]}",
                     "{\"a\":[1,-2.5,1e+300,0.1,true,false,null,\"x\",{\"b\":{}}]}");
    check_round_trip("{\"\":\"\"}", "{\"\":\"\"}");
    check_round_trip("{\"a\":9007199254740992,\"b\":-9007199254740992,\"c\":-0.0}",
                     "{\"a\":9007199254740992,\"b\":-9007199254740992,\"c\":-0.0}");
    check_round_trip("{\"a\":\"\\u00e9\\ud83d\\ude00 \\\"\\\\\\/\\b\\f\\n\\r\\t\\u000b\\u001f\\u007f\"}",
                     "{\"a\":\"\xc3\xa9\xf0\x9f\x98\x80 \\\"\\\\/\\b\\f\\n\\r\\t\\u000b\\u001f\x7f\"}");
    check_round_trip("{\"brackets\":\"{[{[\\\"[[\",\"number\":\"99999999999999999999\"}",
                     "{\"brackets\":\"{[{[\\\"[[\",\"number\":\"99999999999999999999\"}");
    vmx_arena_reset(&arena);
}

START_TEST(test_examples)
{
    check_examples();
}
END_TEST

START_TEST(test_comma_locale_changes_nothing)
{
    if (!comma_locale_set())
        return;
    check_examples();
    ck_assert_str_eq(localeconv()->decimal_point, ",");
}
END_TEST

/* A point of two bytes, which jansson cannot put into its text. */
START_TEST(test_arabic_point_changes_nothing)
{
    if (!point_locale_set("ps_AF", "\xd9\xab"))
        return;
    check_examples();
    ck_assert_str_eq(localeconv()->decimal_point, "\xd9\xab");
}
END_TEST

static void
check_refused(const char *text, const char *message)
{
    ck_assert_msg(read_text(text, strlen(text)) == VMX_ERR_INVALID, "accepted %s", text);
    ck_assert_str_eq(error.message, message);
    ck_assert_ptr_null(object);
    vmx_arena_reset(&arena);
}

START_TEST(test_refused)
{
    const char *none = "not a JSON object, {\"name\": value, ...}";
    char message[200];
    const char *const others[] = {"", " ", "[]", "5", "\"a\"", "null", "x"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        snprintf(message, sizeof message, "filter: line 1, column %d: %s", others[i][0] == ' ' ? 2 : 1, none);
        check_refused(others[i], message);
    }
    const char *beyond = "is beyond 2^53 and would be stored changed; write it as a string";
    snprintf(message, sizeof message, "filter: line 2, column 9: integer 9007199254740993 %s", beyond);
    check_refused("{\"a\":1,\n \"\xc3\xa9\": [ 9007199254740993]}", message);
    snprintf(message, sizeof message, "filter: line 1, column 6: integer -99999999999999999999 %s", beyond);
    check_refused("{\"a\":-99999999999999999999}", message);
}
END_TEST

START_TEST(test_malformed_is_refused_with_its_position)
{
    static const struct {
        const char *text;
        int line, column;
    } rows[] = {
        {"{\"a\":1,\n  \"b\" 2}", 2, 7}, {"{\"a\":}", 1, 6},    {"{\"a\":1", 1, 6},       {"{\"a\":1}x", 1, 8},
        {"{\"a\":1,\"a\":2}", 1, 10},    {"{\"a\":01}", 1, 6},  {"{\"a\":+1}", 1, 6},     {"{\"a\":1e999}", 1, 10},
        {"{\"a\":\"\\u0000\"}", 1, 13},  {"{\"a\":nan}", 1, 8}, {"{'a':1}", 1, 2},        {"{\"a\":\"\n\"}", 1, 6},
        {"{\"a\":1-2}", 1, 8},           {"{\"a\":--1}", 1, 6}, {"{\"a\":\"\\x\"}", 1, 8}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char prefix[80];
        ck_assert_msg(read_text(rows[i].text, strlen(rows[i].text)) == VMX_ERR_INVALID, "accepted %s", rows[i].text);
        snprintf(prefix, sizeof prefix, "filter: line %d, column %d: ", rows[i].line, rows[i].column);
        ck_assert_msg(strncmp(error.message, prefix, strlen(prefix)) == 0, "%s gave %s", rows[i].text, error.message);
        ck_assert_ptr_null(strchr(error.message, '\n'));
    }
    ck_assert_int_eq(read_text("{\"a\":\"\xff\"}", 9), VMX_ERR_INVALID);
    ck_assert_int_eq(read_text("{\"a\":\"\xed\xa0\x80\"}", 11), VMX_ERR_INVALID);
    ck_assert_int_eq(read_text("{\"a\0b\":1}", 9), VMX_ERR_INVALID);
    ck_assert_int_eq(read_text("{}\0", 3), VMX_ERR_INVALID);
    ck_assert_int_eq(read_text(NULL, 0), VMX_ERR_INVALID);
    vmx_arena_reset(&arena);
}
END_TEST

/* {"a":{"a":...1...}}, or with lists, `depth` of them. */
static size_t
write_nested(char *text, size_t depth, bool lists)
{
    const char *open = lists ? "[" : "{\"a\":";
    size_t width = strlen(open), len = 5;
    memcpy(text, "{\"a\":", 5);
    for (size_t i = 1; i < depth; i++, len += width)
        memcpy(text + len, open, width);
    text[len++] = '1';
    memset(text + len, lists ? ']' : '}', depth);
    len += depth;
    text[len - 1] = '}';
    text[len] = '\0';
    return len;
}

START_TEST(test_depth)
{
    static char text[60000];
    for (int lists = 0; lists < 2; lists++) {
        write_nested(text, VMX_JSON_MAX_DEPTH, lists);
        check_round_trip(text, text);
        size_t len = write_nested(text, VMX_JSON_MAX_DEPTH + 1, lists);
        ck_assert_int_eq(read_text(text, len), VMX_ERR_INVALID);
        char message[100];
        snprintf(message, sizeof message, "filter: line 1, column %d: nested deeper than 32 objects and lists",
                 lists ? 5 + 32 : 5 * 32 + 1);
        ck_assert_str_eq(error.message, message);
        len = write_nested(text, 6000, lists);
        ck_assert_int_eq(read_text(text, len), VMX_ERR_INVALID);
        ck_assert_str_eq(error.message, message);
    }
    vmx_arena_reset(&arena);
}
END_TEST

/* The deepest metadata that is accepted passes the guard inside the reply that nests it deepest. */
START_TEST(test_deepest_metadata_passes_the_guard)
{
    char text[400];
    ck_assert_int_eq(read_text(text, write_nested(text, VMX_JSON_MAX_DEPTH, false)), VMX_OK);
    Pinecone__Vector vector = PINECONE__VECTOR__INIT;
    vector.metadata = object;
    Pinecone__FetchResponse__VectorsEntry entry = PINECONE__FETCH_RESPONSE__VECTORS_ENTRY__INIT;
    entry.value = &vector;
    Pinecone__FetchResponse__VectorsEntry *entries[] = {&entry};
    Pinecone__FetchResponse response = PINECONE__FETCH_RESPONSE__INIT;
    response.n_vectors = 1;
    response.vectors = entries;
    uint8_t wire[1000];
    size_t len = pinecone__fetch_response__get_packed_size(&response);
    ck_assert_uint_lt(len, sizeof wire);
    pinecone__fetch_response__pack(&response, wire);
    ck_assert_msg(vmx_guard_check(&pinecone__fetch_response__descriptor, wire, len, NULL, &error) == VMX_OK, "%s",
                  error.message);
    vmx_arena_reset(&arena);
}
END_TEST

static json_t *
random_json(vmx_random *random, unsigned depth);

static json_t *
random_string(vmx_random *random)
{
    static const char *const pieces[] = {"a", "\"", "\\", "\n", "\x01", "\xc3\xa9", "\xf0\x9f\x98\x80", "{", "]", "9"};
    char text[64] = "";
    for (uint64_t i = vmx_random_up_to(random, 8); i > 0; i--)
        strcat(text, pieces[vmx_random_up_to(random, 9)]);
    return json_string(text);
}

static json_t *
random_number(vmx_random *random)
{
    if (vmx_random_up_to(random, 1))
        return json_real((double)(int64_t)vmx_random_up_to(random, 1000000) / 64 - 1000);
    uint64_t bits = vmx_random_next(random);
    double number;
    memcpy(&number, &bits, sizeof number);
    return json_real(number - number == 0 ? number : 0.5);
}

static json_t *
random_container(vmx_random *random, unsigned depth, bool list)
{
    json_t *json = list ? json_array() : json_object();
    for (uint64_t i = vmx_random_up_to(random, 4); i > 0; i--) {
        json_t *key = random_string(random);
        json_t *value = random_json(random, depth + 1);
        if (list)
            json_array_append_new(json, value);
        else
            json_object_set_new(json, json_string_value(key), value);
        json_decref(key);
    }
    return json;
}

static json_t *
random_json(vmx_random *random, unsigned depth)
{
    switch (vmx_random_up_to(random, depth < 6 ? 6 : 3)) {
    case 0:
        return json_null();
    case 1:
        return json_boolean(vmx_random_up_to(random, 1));
    case 2:
        return random_number(random);
    case 3:
        return random_string(random);
    default:
        return random_container(random, depth, vmx_random_up_to(random, 1));
    }
}

/* What jansson writes, we read; what we write, jansson reads; and it is the same document. */
START_TEST(test_random_documents_agree_with_jansson)
{
    vmx_random random;
    vmx_random_seed(&random, 11);
    for (int i = 0; i < 3000; i++) {
        json_t *json = random_container(&random, 0, false);
        char *text = json_dumps(json, i % 2 ? JSON_INDENT(2) : JSON_ENSURE_ASCII);
        vmx_buffer ours = round_trip(text);
        json_error_t reason;
        json_t *back = json_loads((char *)ours.data, JSON_DECODE_INT_AS_REAL, &reason);
        ck_assert_msg(back && json_equal(json, back), "%s became %s", text, (char *)ours.data);
        json_decref(back);
        json_decref(json);
        free(text);
        vmx_buffer_free(&ours);
    }
    vmx_arena_reset(&arena);
}
END_TEST

START_TEST(test_values_without_a_kind_become_null)
{
    Google__Protobuf__Value unset = GOOGLE__PROTOBUF__VALUE__INIT, number = GOOGLE__PROTOBUF__VALUE__INIT;
    number.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE;
    number.number_value = 1e308 * 10;
    Google__Protobuf__Struct__FieldsEntry entries[3] = {GOOGLE__PROTOBUF__STRUCT__FIELDS_ENTRY__INIT,
                                                        GOOGLE__PROTOBUF__STRUCT__FIELDS_ENTRY__INIT,
                                                        GOOGLE__PROTOBUF__STRUCT__FIELDS_ENTRY__INIT};
    entries[0].key = "a";
    entries[0].value = &unset;
    entries[1].key = "b";
    entries[1].value = &number;
    entries[2].key = "c";
    Google__Protobuf__Struct__FieldsEntry *pointers[3] = {&entries[0], &entries[1], &entries[2]};
    Google__Protobuf__Struct all = GOOGLE__PROTOBUF__STRUCT__INIT;
    all.n_fields = 3;
    all.fields = pointers;
    vmx_buffer json = {0};
    vmx_struct_to_json(&all, &json);
    ck_assert_uint_eq(json.len, 28);
    ck_assert_mem_eq(json.data, "{\"a\":null,\"b\":null,\"c\":null}", 28);
    vmx_buffer_free(&json);
}
END_TEST

START_TEST(test_every_allocation_may_fail)
{
    static const char text[] = "{\"a\":[1,\"two\",{\"b\":\"a string of more than a few bytes\"}],\"c\":null}";
    failing_allocator state;
    vmx_status status = VMX_ERR_NO_MEMORY;
    for (long n = 0; status != VMX_OK; n++) {
        ck_assert_int_lt(n, 100);
        failing_allocator_install(&state, n);
        status = read_text(text, sizeof text - 1);
        ck_assert(status == VMX_OK || status == VMX_ERR_NO_MEMORY);
        ck_assert((object != NULL) == (status == VMX_OK));
        vmx_arena_reset(&arena);
        ck_assert_int_eq(state.alive, 0);
    }
    vmx_set_allocator(NULL);
}
END_TEST

START_TEST(test_arena_limit_is_no_memory)
{
    static const char text[] = "{\"a\":[1,2,3,4,5,6,7,8,9,10]}";
    vmx_status status = VMX_ERR_NO_MEMORY;
    for (size_t limit = 1; status != VMX_OK; limit++) {
        ck_assert_uint_lt(limit, 10000);
        vmx_arena_init(&arena, limit);
        status = read_text(text, sizeof text - 1);
        ck_assert(status == VMX_OK || status == VMX_ERR_NO_MEMORY);
        vmx_arena_reset(&arena);
    }
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {test_examples,
                                  test_comma_locale_changes_nothing,
                                  test_arabic_point_changes_nothing,
                                  test_refused,
                                  test_malformed_is_refused_with_its_position,
                                  test_depth,
                                  test_deepest_metadata_passes_the_guard,
                                  test_random_documents_agree_with_jansson,
                                  test_values_without_a_kind_become_null,
                                  test_every_allocation_may_fail,
                                  test_arena_limit_is_no_memory,
                                  NULL};
    return run_suite("wire struct_json", tests);
}
