/* Filters as Milvus expressions: what they become, in both dialects, and that no value can change their structure. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buffer.h"
#include "engine/milvus/milvus.h"
#include "wire/struct_json.h"

#define M "metadata[\"f\"]"

typedef struct sample {
    const char *filter, *full, *lite;
} sample;

static const sample samples[] = {
    {"{\"f\":1}", "(" M " == 1)", "(" M " == 1)"},
    {"{\"f\":{\"$ne\":1.5}}", "(not (" M " == 1.5))", "((not (exists " M ")) or (" M " != 1.5))"},
    {"{\"f\":true}", "(" M " == true)", "(" M " == true)"},
    {"{\"f\":\"a\"}", "(" M " == \"a\" or json_contains_any(" M ", [\"a\"]))",
     "(" M " == \"a\" or ((not " M " like \"%\")) and json_contains_any(" M ", [\"a\"]))"},
    {"{\"f\":{\"$in\":[1,2.5]}}", "(" M " in [1.0,2.5])", "(" M " == 1 or " M " == 2.5)"},
    {"{\"f\":{\"$in\":[]}}", "(pk == \"\")", "(pk == \"\")"},
    {"{\"f\":{\"$nin\":[]}}", "(pk != \"\")", "(pk != \"\")"},
    {"{\"f\":{\"$gt\":-1e300}}", "(" M " > -1e+300)", "(" M " > -1e+300)"},
    {"{\"f\":{\"$not\":{\"$lte\":2}}}", "(not (" M " <= 2))",
     "((not (exists " M ")) or (not (" M " * 0 == 0)) or " M " > 2)"},
    {"{\"f\":{\"$exists\":false}}", "(not (exists " M "))", "(not (exists " M "))"},
    {"{\"$or\":[{\"f\":1},{\"f\":2}]}", "((" M " == 1) or (" M " == 2))", "((" M " == 1) or (" M " == 2))"},
};

#define SAMPLE_COUNT ((int)(sizeof samples / sizeof samples[0]))

static vmx_arena arena;

static char *
express(vmx_str json, bool lite)
{
    vmx_error error;
    const vmx_filter *filter;
    char *expression;
    vmx_milvus_schema schema = {.id = "pk", .metadata = "metadata", .lite = lite};
    ck_assert_int_eq(vmx_filter_parse(&arena, json, "filter", &filter, NULL, &error), VMX_OK);
    ck_assert_int_eq(vmx_milvus_expression(&arena, &schema, filter, "filter", &expression, &error), VMX_OK);
    return expression;
}

START_TEST(translations)
{
    ck_assert_str_eq(express(VMX_STR(samples[_i].filter), false), samples[_i].full);
    if (strstr(samples[_i].lite, "like") == NULL)
        ck_assert_str_eq(express(VMX_STR(samples[_i].filter), true), samples[_i].lite);
    vmx_arena_reset(&arena);
}
END_TEST

static const char *const corpus[] = {
    "\"",
    "\\",
    "\\\"",
    "'",
    "\" or 1 == 1 or \"",
    "' or 1==1 --",
    "\n",
    "\r\n\t",
    "\x01\x1f\x7f",
    "\\u0022",
    "\"] == 1 or true or metadata[\"x",
    "a\\",
    "\\\\\"",
    "%",
    "_",
    "[]",
    "[\"a\"]",
    "\xe2\x80\xa8",
    "\xf0\x9f\x8e\x88",
    "json_contains(",
    ")",
    "]",
    "\" ) or (pk != \"",
};

#define CORPUS_COUNT ((int)(sizeof corpus / sizeof corpus[0]))

/* Reads a quoted text of either dialect at `at`; returns the place behind it, and what it says in `out`. */
static const char *
read_quoted(const char *at, vmx_buffer *out)
{
    ck_assert_int_eq(*at++, '"');
    for (; *at != '"'; at++) {
        ck_assert_msg(*at != '\0' && *at != '\n' && *at != '\r', "the text is not closed");
        if (*at != '\\') {
            vmx_buffer_append_byte(out, (uint8_t)*at);
            continue;
        }
        at++;
        unsigned code;
        const char *escapes = "\"\"\\\\n\nr\rt\t", *found = NULL;
        for (const char *e = escapes; *e != '\0' && found == NULL; e += 2)
            found = *e == *at ? e + 1 : NULL;
        if (found != NULL) {
            vmx_buffer_append_byte(out, (uint8_t)*found);
        } else {
            ck_assert_int_eq(sscanf(at, "u%4x", &code), 1);
            vmx_buffer_append_byte(out, (uint8_t)code);
            at += 4;
        }
    }
    return at + 1;
}

/* Walks along an expression: everything outside of quotes is of our own making, whatever was in the value. */
static void
check_structure(const char *expression, const char *reference, const char *text)
{
    while (*reference != '\0') {
        if (*reference != '"') {
            ck_assert_int_eq(*expression++, *reference++);
            continue;
        }
        vmx_buffer said = {0}, model = {0};
        expression = read_quoted(expression, &said);
        reference = read_quoted(reference, &model);
        bool is_value = model.len == 1 && model.data[0] == 'V';
        const char *expected = is_value ? text : (const char *)model.data;
        size_t len = is_value ? strlen(text) : model.len;
        ck_assert_uint_eq(said.len, len);
        ck_assert_mem_eq(said.data, expected, len);
        vmx_buffer_free(&said);
        vmx_buffer_free(&model);
    }
    ck_assert_int_eq(*expression, '\0');
}

static vmx_str
filter_with(const char *key, const char *value)
{
    vmx_buffer json = {0};
    vmx_buffer_append_text(&json, "{");
    vmx_json_append_string(&json, VMX_STR(key));
    vmx_buffer_append_text(&json, ":");
    vmx_json_append_string(&json, VMX_STR(value));
    vmx_buffer_append_text(&json, "}");
    vmx_str text = vmx_arena_str(&arena, (vmx_str){(const char *)json.data, json.len});
    vmx_buffer_free(&json);
    return text;
}

START_TEST(values_stay_values)
{
    for (int lite = 0; lite < 2; lite++) {
        char *reference = express(filter_with("f", "V"), lite);
        check_structure(express(filter_with("f", corpus[_i]), lite), reference, corpus[_i]);
        reference = express(filter_with("V", "x"), lite);
        check_structure(express(filter_with(corpus[_i], "x"), lite), reference, corpus[_i]);
    }
    vmx_arena_reset(&arena);
}
END_TEST

START_TEST(ids_stay_ids)
{
    vmx_error error;
    char *expression, *reference;
    vmx_milvus_schema schema = {.id = "pk", .metadata = "metadata"};
    vmx_str one = VMX_STR(corpus[_i]), model = VMX_STR("V");
    ck_assert_int_eq(vmx_milvus_ids_expression(&arena, &schema, &(vmx_strs){&model, 1}, "fetch", &reference, &error),
                     VMX_OK);
    ck_assert_int_eq(vmx_milvus_ids_expression(&arena, &schema, &(vmx_strs){&one, 1}, "fetch", &expression, &error),
                     VMX_OK);
    check_structure(expression, reference, corpus[_i]);
    schema.integer_ids = true;
    ck_assert_int_eq(vmx_milvus_ids_expression(&arena, &schema, &(vmx_strs){&one, 1}, "fetch", &expression, &error),
                     VMX_ERR_INVALID);
    vmx_arena_reset(&arena);
}
END_TEST

START_TEST(a_megabyte_is_a_value_too)
{
    size_t len = 1 << 20;
    char *text = malloc(len + 1);
    memset(text, '"', len);
    text[len] = '\0';
    char *expression = express(filter_with("f", text), false);
    ck_assert_uint_gt(strlen(expression), 2 * len);
    free(text);
    vmx_arena_reset(&arena);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("milvus_expression");
    TCase *tests = tcase_create("expression");
    tcase_add_loop_test(tests, translations, 0, SAMPLE_COUNT);
    tcase_add_loop_test(tests, values_stay_values, 0, CORPUS_COUNT);
    tcase_add_loop_test(tests, ids_stay_ids, 0, CORPUS_COUNT);
    tcase_add_test(tests, a_megabyte_is_a_value_too);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
