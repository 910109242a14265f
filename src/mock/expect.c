/* What a test expects of the calls that arrive. */
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "mock/log.h"

enum { SHOWN_CALLS = 40 };

typedef enum expectation_kind { CALLS, ORDER, HEADER } expectation_kind;

struct vmx_mock_expectation {
    vmx_mock_expectation *next;
    expectation_kind kind;
    vmx_arena arena; /* of the texts */
    vmx_str method;
    size_t min, max;
    vmx_str *methods; /* ORDER */
    size_t method_count;
    vmx_str key, value; /* HEADER */
};

static void
free_one(vmx_mock_expectation *expectation)
{
    vmx_arena_reset(&expectation->arena);
    vmx_dealloc(expectation);
}

/* Takes it over if `made`, else frees it. */
static bool
append(vmx_mock_log *log, vmx_mock_expectation *expectation, bool made)
{
    if (!made) {
        if (expectation != NULL)
            free_one(expectation);
        return false;
    }
    if (log->expectations == NULL)
        log->last = &log->expectations;
    *log->last = expectation;
    log->last = &expectation->next;
    return true;
}

static vmx_mock_expectation *
make(expectation_kind kind, vmx_str method)
{
    vmx_mock_expectation *expectation = vmx_calloc(1, sizeof *expectation);
    if (expectation == NULL)
        return NULL;
    expectation->kind = kind;
    expectation->method = vmx_arena_str(&expectation->arena, method);
    if (expectation->method.ptr != NULL)
        return expectation;
    free_one(expectation);
    return NULL;
}

bool
vmx_mock_log_expect_calls(vmx_mock_log *log, vmx_str method, size_t min, size_t max)
{
    vmx_mock_expectation *expectation = make(CALLS, method);
    if (expectation != NULL) {
        expectation->min = min;
        expectation->max = max;
    }
    return append(log, expectation, expectation != NULL);
}

bool
vmx_mock_log_expect_order(vmx_mock_log *log, const vmx_str *methods, size_t count)
{
    vmx_mock_expectation *expectation = make(ORDER, (vmx_str){"", 0});
    if (expectation == NULL)
        return false;
    expectation->methods = vmx_arena_calloc(&expectation->arena, count + 1, sizeof *expectation->methods);
    bool made = expectation->methods != NULL;
    expectation->method_count = count;
    for (size_t i = 0; made && i < count; i++) {
        expectation->methods[i] = vmx_arena_str(&expectation->arena, methods[i]);
        made = expectation->methods[i].ptr != NULL;
    }
    return append(log, expectation, made);
}

bool
vmx_mock_log_expect_header(vmx_mock_log *log, vmx_str method, vmx_str key, vmx_str value)
{
    vmx_mock_expectation *expectation = make(HEADER, method);
    if (expectation == NULL)
        return false;
    expectation->key = vmx_arena_str(&expectation->arena, key);
    expectation->value = vmx_arena_str(&expectation->arena, value);
    return append(log, expectation, expectation->key.ptr != NULL && expectation->value.ptr != NULL);
}

void
vmx_mock_log_clear_expectations(vmx_mock_log *log)
{
    while (log->expectations != NULL) {
        vmx_mock_expectation *expectation = log->expectations;
        log->expectations = expectation->next;
        free_one(expectation);
    }
}

/* --- verifying ----------------------------------------------------------------------------------------------------- */

static const char *
name_of(vmx_str method)
{
    return method.len > 0 ? method.ptr : "all methods";
}

static const char *
word(bool holds)
{
    return holds ? "ok:  " : "FAIL:";
}

static bool
verify_calls(const vmx_mock_log *log, const vmx_mock_expectation *e, vmx_buffer *report)
{
    size_t seen = vmx_mock_log_count(log, e->method);
    bool holds = seen >= e->min && seen <= e->max;
    vmx_buffer_printf(report, "%s %s: expected ", word(holds), name_of(e->method));
    if (e->min == e->max)
        vmx_buffer_printf(report, "%zu calls", e->min);
    else if (e->max == SIZE_MAX)
        vmx_buffer_printf(report, "at least %zu calls", e->min);
    else
        vmx_buffer_printf(report, "%zu to %zu calls", e->min, e->max);
    vmx_buffer_printf(report, ", seen %zu\n", seen);
    return holds;
}

static bool
verify_order(const vmx_mock_log *log, const vmx_mock_expectation *e, vmx_buffer *report)
{
    size_t found = 0;
    for (size_t i = 0; i < log->count && found < e->method_count; i++)
        found += vmx_mock_str_equal(log->entries[i]->record.method, e->methods[found]);
    bool holds = found == e->method_count;
    vmx_buffer_printf(report, "%s in this order:", word(holds));
    for (size_t i = 0; i < e->method_count; i++)
        vmx_buffer_printf(report, " %s", e->methods[i].ptr);
    if (!holds)
        vmx_buffer_printf(report, "; seen the first %zu, no %s after them", found, e->methods[found].ptr);
    vmx_buffer_append_byte(report, '\n');
    return holds;
}

static bool
lacks(const vmx_mock_record *record, const vmx_mock_expectation *e)
{
    vmx_str value = vmx_mock_record_header(record, e->key);
    return (e->method.len == 0 || vmx_mock_str_equal(record->method, e->method)) &&
           (value.ptr == NULL || !vmx_mock_str_equal(value, e->value));
}

static bool
verify_header(const vmx_mock_log *log, const vmx_mock_expectation *e, vmx_buffer *report)
{
    size_t lacking = 0, first = 0;
    for (size_t i = 0; i < log->count; i++)
        if (lacks(&log->entries[i]->record, e) && lacking++ == 0)
            first = i;
    vmx_buffer_printf(report, "%s %s: every call has %s: %s", word(lacking == 0), name_of(e->method), e->key.ptr,
                      e->value.ptr);
    if (lacking > 0) {
        vmx_str value = vmx_mock_record_header(&log->entries[first]->record, e->key);
        vmx_buffer_printf(report, "; %zu have not, the first is call %zu, which has %s", lacking, first + 1,
                          value.ptr != NULL ? value.ptr : "none");
    }
    vmx_buffer_append_byte(report, '\n');
    return lacking == 0;
}

static void
list_calls(const vmx_mock_log *log, vmx_buffer *report)
{
    vmx_buffer_printf(report, "the calls, %zu in all:\n", log->total);
    for (size_t i = 0; i < log->count && i < SHOWN_CALLS; i++) {
        const vmx_mock_record *r = &log->entries[i]->record;
        vmx_buffer_printf(report, "  %zu. %lld ms, connection %llu, stream %d: %s, %zu bytes%s\n", i + 1,
                          (long long)(r->arrived_us / 1000), (unsigned long long)r->connection, (int)r->stream,
                          r->method.ptr, r->message.len, r->complete_us < 0 ? ", incomplete" : "");
    }
    if (log->count > SHOWN_CALLS)
        vmx_buffer_printf(report, "  ... and %zu more\n", log->count - SHOWN_CALLS);
}

bool
vmx_mock_log_verify(const vmx_mock_log *log, vmx_buffer *report)
{
    static bool (*const verify[])(const vmx_mock_log *, const vmx_mock_expectation *, vmx_buffer *) = {
        [CALLS] = verify_calls, [ORDER] = verify_order, [HEADER] = verify_header};
    bool holds = true;
    for (const vmx_mock_expectation *e = log->expectations; e != NULL; e = e->next)
        holds = verify[e->kind](log, e, report) && holds;
    if (!holds)
        list_calls(log, report);
    return holds;
}
