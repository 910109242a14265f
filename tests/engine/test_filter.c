/* The filter language: what becomes of it, what is refused, and where its limits are. */
#include <string.h>

#include "core/suite.h"
#include "engine/filter_text.h"

static vmx_arena arena;
static vmx_error error;
static const vmx_filter *filter;

static vmx_status
parse(vmx_str json)
{
    vmx_arena_reset(&arena);
    return vmx_filter_parse(&arena, json, "query: filter", &filter, NULL, &error);
}

static void
check_tree(const char *json, const char *expected)
{
    vmx_buffer text = {0};
    ck_assert_msg(parse(vmx_str_from(json)) == VMX_OK, "%s: %s", json, error.message);
    filter_text(filter, &text);
    vmx_buffer_append_byte(&text, '\0');
    ck_assert_str_eq((const char *)text.data, expected);
    vmx_buffer_free(&text);
    vmx_arena_reset(&arena);
}

static void
check_refused(const char *json, const char *says)
{
    ck_assert_int_eq(parse(vmx_str_from(json)), VMX_ERR_INVALID);
    ck_assert_ptr_null(filter);
    ck_assert_msg(strstr(error.message, says) != NULL, "%s: %s", json, error.message);
    ck_assert_msg(strncmp(error.message, "query: filter", 13) == 0, "%s", error.message);
    vmx_arena_reset(&arena);
}

START_TEST(test_operators)
{
    check_tree("", "all");
    check_tree("{}", "and()");
    check_tree("{\"genre\": \"drama\"}", "in(genre,\"drama\")");
    check_tree("{\"genre\": {\"$eq\": \"drama\"}}", "in(genre,\"drama\")");
    check_tree("{\"n\": {\"$ne\": 2.5}}", "not(in(n,2.5))");
    check_tree("{\"n\": {\"$gt\": 1}}", "gt(n,1i)");
    check_tree("{\"n\": {\"$gte\": -1.0, \"$lt\": 1e300}}", "and(gte(n,-1i),lt(n,1e+300))");
    check_tree("{\"n\": {\"$lte\": 9007199254740992}}", "lte(n,9007199254740992i)");
    check_tree("{\"n\": {\"$in\": [\"a\", 1, 1.5]}}", "in(n,\"a\",1i,1.5)");
    check_tree("{\"n\": {\"$in\": []}}", "in(n)");
    check_tree("{\"n\": {\"$nin\": [\"a\"]}}", "not(in(n,\"a\"))");
    check_tree("{\"b\": true, \"c\": {\"$ne\": false}}", "and(in(b,true),not(in(c,false)))");
    check_tree("{\"n\": {\"$exists\": true}, \"m\": {\"$exists\": false}}", "and(exists(n),not(exists(m)))");
    check_tree("{\"n\": {\"$not\": {\"$gt\": 1, \"$lt\": 5}}}", "not(and(gt(n,1i),lt(n,5i)))");
    check_tree("{\"$or\": [{\"a\": 1}, {\"$and\": [{\"b\": 2}, {\"c\": 3, \"d\": 4}]}]}",
               "or(in(a,1i),and(in(b,2i),and(in(c,3i),in(d,4i))))");
}
END_TEST

START_TEST(test_names_are_literal)
{
    check_tree("{\"a.b\": 1, \"\": 2, \"x[0]\\\"\": 3, \"\\u00e4\": 4}",
               "and(in(a.b,1i),in(,2i),in(x[0]\",3i),in(\xc3\xa4,4i))");
}
END_TEST

START_TEST(test_what_is_refused)
{
    check_refused("[]", "not a JSON object");
    check_refused("{\"a\": 1", "line 1");
    check_refused("{\"a\": 1, \"a\": 2}", "duplicate");
    check_refused("{\"a\": null}",
                  "$eq on field \"a\" takes a text, a number or a boolean; for fields that are missing");
    check_refused("{\"a\": [1]}", "$eq on field \"a\" takes a text");
    check_refused("{\"a\": {}}", "has no condition");
    check_refused("{\"a\": {\"b\": 1}}", "\"b\" on field \"a\" is no operator");
    check_refused("{\"a\": {\"$regex\": \"x\"}}", "\"$regex\" on field \"a\" is no operator");
    check_refused("{\"a\": {\"$gt\": \"x\"}}", "$gt on field \"a\" takes a number");
    check_refused("{\"a\": {\"$lt\": true}}", "$lt on field \"a\" takes a number");
    check_refused("{\"a\": {\"$in\": \"x\"}}", "$in on field \"a\" takes a list of texts and numbers");
    check_refused("{\"a\": {\"$nin\": [true]}}", "$nin on field \"a\" takes a list of texts and numbers");
    check_refused("{\"a\": {\"$in\": [[1]]}}", "$in on field \"a\" takes a list");
    check_refused("{\"a\": {\"$exists\": 1}}", "$exists on field \"a\" takes true or false");
    check_refused("{\"a\": {\"$not\": 1}}", "$not on field \"a\" takes an object");
    check_refused("{\"$and\": []}", "$and takes a list of at least one object");
    check_refused("{\"$or\": {\"a\": 1}}", "$or takes a list");
    check_refused("{\"$or\": [1]}", "item 0 of $or is not an object");
    check_refused("{\"$eq\": 1}", "\"$eq\" is no field's name");
    check_refused("{\"a\": 9007199254740993}", "beyond 2^53");
    check_refused("{\"a\": \"x\\u0000y\"}", "line 1");
    check_refused("{\"a\": \"\xff\"}", "unable to decode byte 0xff");
}
END_TEST

/* {"a": {"$in": [0, 0, ...]}} or {"$or": [{"a":0}, ...]} */
static vmx_buffer
repeat(const char *head, const char *item, size_t count, const char *tail)
{
    vmx_buffer json = {0};
    vmx_buffer_append_text(&json, head);
    for (size_t i = 0; i < count; i++) {
        vmx_buffer_append_text(&json, i > 0 ? "," : "");
        vmx_buffer_append_text(&json, item);
    }
    vmx_buffer_append_text(&json, tail);
    return json;
}

static void
check_size(const char *head, const char *item, size_t count, const char *tail, vmx_status expected)
{
    vmx_buffer json = repeat(head, item, count, tail);
    ck_assert_int_eq(parse((vmx_str){(const char *)json.data, json.len}), expected);
    vmx_buffer_free(&json);
    vmx_arena_reset(&arena);
}

START_TEST(test_limits)
{
    check_size("{\"a\":{\"$in\":[", "0", VMX_FILTER_MAX_VALUES, "]}}", VMX_OK);
    check_size("{\"a\":{\"$in\":[", "0", VMX_FILTER_MAX_VALUES + 1, "]}}", VMX_ERR_TOO_LARGE);
    check_size("{\"$or\":[", "{\"a\":0}", VMX_FILTER_MAX_NODES - 1, "]}", VMX_OK);
    check_size("{\"$or\":[", "{\"a\":0}", VMX_FILTER_MAX_NODES, "]}", VMX_ERR_TOO_LARGE);
    check_size("{\"a\":\"", "x", VMX_FILTER_MAX_BYTES / 2, "\"}", VMX_ERR_TOO_LARGE);
    check_size("{\"a\":\"", "x", 500000, "\"}", VMX_OK);
    vmx_buffer deep = repeat("{\"a\":", "", 0, "");
    for (int i = 0; i < 40; i++)
        vmx_buffer_append_text(&deep, "{\"$not\":");
    ck_assert_int_eq(parse((vmx_str){(const char *)deep.data, deep.len}), VMX_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(error.message, "nested deeper"));
    vmx_buffer_free(&deep);
    vmx_arena_reset(&arena);
}
END_TEST

START_TEST(test_every_arena_limit_is_no_memory)
{
    const char *json = "{\"a\": {\"$in\": [\"x\", 1]}, \"$or\": [{\"b\": {\"$not\": {\"$lt\": 2}}}, {\"c\": true}]}";
    vmx_status status = VMX_ERR_NO_MEMORY;
    for (size_t limit = 1; status != VMX_OK; limit++) {
        ck_assert_uint_lt(limit, 20000);
        vmx_arena_init(&arena, limit);
        status = vmx_filter_parse(&arena, vmx_str_from(json), "filter", &filter, NULL, &error);
        ck_assert(status == VMX_OK || status == VMX_ERR_NO_MEMORY);
        vmx_arena_reset(&arena);
    }
    vmx_arena_init(&arena, 0);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {test_operators,
                                  test_names_are_literal,
                                  test_what_is_refused,
                                  test_limits,
                                  test_every_arena_limit_is_no_memory,
                                  NULL};
    return run_suite("engine filter", tests);
}
