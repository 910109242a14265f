#include "mock/plan.h"

#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "core/sized.h"

/* --- plans --------------------------------------------------------------------------------------------------------- */

void
vmx_mock_answer_init(vmx_mock_answer *answer, size_t size)
{
    vmx_sized_init(answer, size);
}

static vmx_status
check_headers(const vmx_header *headers, size_t count, vmx_error *error)
{
    for (size_t i = 0; i < count; i++) {
        vmx_str key = headers[i].key;
        bool bad = key.len == 0 || key.ptr[0] == ':';
        for (size_t at = 0; at < key.len; at++)
            bad = bad || (unsigned char)key.ptr[at] <= ' ' || (key.ptr[at] >= 'A' && key.ptr[at] <= 'Z');
        if (bad)
            return vmx_error_set(error, VMX_ERR_INVALID, "mock: header \"%.*s\": keys are lower case, without blanks",
                                 vmx_error_clip(key), key.ptr);
    }
    return VMX_OK;
}

static vmx_status
check(const vmx_mock_answer *answer, vmx_error *error)
{
    if (answer->grpc_code < 0)
        return vmx_error_set(error, VMX_ERR_INVALID, "mock: grpc_code %d is negative; 0 is OK", answer->grpc_code);
    if (answer->http_status != 0 && (answer->http_status < 200 || answer->http_status > 599))
        return vmx_error_set(error, VMX_ERR_INVALID, "mock: http_status %d is outside 200 to 599", answer->http_status);
    if (answer->delay_ms < 0 || answer->drip_interval_ms < 0)
        return vmx_error_set(error, VMX_ERR_INVALID, "mock: delay_ms and drip_interval_ms cannot be negative");
    if ((unsigned)answer->fault > VMX_MOCK_GARBAGE || (unsigned)answer->when > VMX_MOCK_AFTER)
        return vmx_error_set(error, VMX_ERR_INVALID, "mock: fault %d, when %d: none of vmx_mock_fault, vmx_mock_when",
                             (int)answer->fault, (int)answer->when);
    if (answer->last_stream < VMX_MOCK_STREAM_NONE || answer->last_stream > INT32_MAX ||
        (answer->last_stream > 0 && answer->last_stream % 2 == 0))
        return vmx_error_set(error, VMX_ERR_INVALID, "mock: last_stream %lld is no stream of a client: they are odd",
                             (long long)answer->last_stream);
    vmx_status status = check_headers(answer->headers, answer->header_count, error);
    return status != VMX_OK ? status : check_headers(answer->trailers, answer->trailer_count, error);
}

static bool
copy_text(vmx_arena *arena, vmx_str *text)
{
    *text = vmx_arena_str(arena, *text);
    return text->ptr != NULL;
}

static bool
copy_headers(vmx_arena *arena, const vmx_header **headers, size_t count)
{
    vmx_header *copy = vmx_arena_calloc(arena, count + 1, sizeof *copy);
    bool copied = copy != NULL;
    for (size_t i = 0; copied && i < count; i++) {
        copy[i] = (*headers)[i];
        copied = copy_text(arena, &copy[i].key) && copy_text(arena, &copy[i].value);
    }
    *headers = copy;
    return copied;
}

/* Each message behind its prefix (gRPC over HTTP/2, "Length-Prefixed-Message"). */
static bool
make_body(vmx_mock_plan *plan)
{
    vmx_mock_answer *answer = &plan->answer;
    const vmx_str *messages = answer->message_count > 0 ? answer->messages : &answer->message;
    size_t count = answer->message_count > 0 ? answer->message_count : 1, size = 0, at = 0;
    if (answer->grpc_code != 0 || answer->echo)
        return true;
    for (size_t i = 0; i < count; i++)
        size += VMX_MOCK_PREFIX_BYTES + messages[i].len;
    uint8_t *body = vmx_arena_alloc(&plan->arena, size);
    for (size_t i = 0; body != NULL && i < count; i++) {
        size_t len = messages[i].len;
        body[at] = answer->compressed;
        for (size_t n = 0; n < 4; n++)
            body[at + 4 - n] = (uint8_t)(len >> (8 * n));
        if (len > 0)
            memcpy(body + at + VMX_MOCK_PREFIX_BYTES, messages[i].ptr, len);
        at += VMX_MOCK_PREFIX_BYTES + len;
    }
    plan->body = (vmx_str){(const char *)body, size};
    answer->message = (vmx_str){0};
    answer->messages = NULL;
    return body != NULL;
}

static void
settle_when(vmx_mock_answer *answer)
{
    if (answer->fault == VMX_MOCK_TRUNCATE || answer->fault == VMX_MOCK_NO_TRAILERS)
        answer->when = VMX_MOCK_INSIDE;
    if (answer->fault == VMX_MOCK_NO_FAULT)
        answer->when = VMX_MOCK_BEFORE;
}

vmx_status
vmx_mock_plan_new(const vmx_mock_answer *answer, vmx_mock_plan **plan, vmx_error *error)
{
    *plan = vmx_calloc(1, sizeof **plan);
    if (*plan == NULL)
        return vmx_error_no_memory(error);
    vmx_mock_answer *copy = &(*plan)->answer;
    vmx_arena *arena = &(*plan)->arena;
    (*plan)->refs = 1;
    vmx_sized_read(copy, sizeof *copy, answer);
    vmx_status status = check(copy, error);
    if (status == VMX_OK &&
        !(copy_text(arena, &copy->details) && make_body(*plan) && copy_text(arena, &copy->garbage) &&
          copy_headers(arena, &copy->headers, copy->header_count) &&
          copy_headers(arena, &copy->trailers, copy->trailer_count)))
        status = vmx_error_no_memory(error);
    if (status == VMX_OK) {
        settle_when(copy);
        return VMX_OK;
    }
    vmx_mock_plan_unref(*plan);
    *plan = NULL;
    return status;
}

void
vmx_mock_plan_unref(vmx_mock_plan *plan)
{
    if (plan == NULL || --plan->refs > 0)
        return;
    vmx_arena_reset(&plan->arena);
    vmx_dealloc(plan);
}

/* --- scripts ------------------------------------------------------------------------------------------------------- */

static vmx_mock_script_method *
find(const vmx_mock_scripts *scripts, vmx_str name)
{
    vmx_mock_script_method *method = scripts->methods;
    while (method != NULL && !(strlen(method->name) == name.len && memcmp(method->name, name.ptr, name.len) == 0))
        method = method->next;
    return method;
}

static vmx_mock_script_method *
find_or_add(vmx_mock_scripts *scripts, vmx_str name)
{
    vmx_mock_script_method *method = find(scripts, name);
    if (method != NULL)
        return method;
    method = vmx_calloc(1, sizeof *method);
    if (method == NULL)
        return NULL;
    method->name = vmx_str_copy(name);
    if (method->name == NULL) {
        vmx_dealloc(method);
        return NULL;
    }
    method->last = &method->first;
    method->next = scripts->methods;
    scripts->methods = method;
    return method;
}

static bool
append_one(vmx_mock_script_method *method, vmx_mock_plan *plan)
{
    vmx_mock_script_entry *entry = method != NULL ? vmx_calloc(1, sizeof *entry) : NULL;
    if (entry == NULL) {
        vmx_mock_plan_unref(plan);
        return false;
    }
    entry->plan = plan;
    entry->left = plan->answer.repeat > 0 ? plan->answer.repeat : 1;
    *method->last = entry;
    method->last = &entry->next;
    return true;
}

bool
vmx_mock_scripts_append(vmx_mock_scripts *scripts, vmx_str name, vmx_mock_plan **plans, size_t count)
{
    vmx_mock_script_method *method = find_or_add(scripts, name);
    bool appended = true;
    for (size_t i = 0; i < count; i++)
        appended = append_one(method, plans[i]) && appended;
    return appended;
}

bool
vmx_mock_scripts_set_default(vmx_mock_scripts *scripts, vmx_str name, vmx_mock_plan *plan)
{
    vmx_mock_script_method *method = find_or_add(scripts, name);
    if (method == NULL) {
        vmx_mock_plan_unref(plan);
        return false;
    }
    vmx_mock_plan_unref(method->fallback);
    method->fallback = plan;
    return true;
}

static void
drop_first(vmx_mock_script_method *method)
{
    vmx_mock_script_entry *entry = method->first;
    method->first = entry->next;
    if (method->first == NULL)
        method->last = &method->first;
    vmx_mock_plan_unref(entry->plan);
    vmx_dealloc(entry);
}

/* The first entry serves one call more; when it has served all, it goes. */
static vmx_mock_plan *
take_first(vmx_mock_script_method *method)
{
    vmx_mock_plan *plan = method->first->plan;
    plan->refs++;
    if (--method->first->left == 0)
        drop_first(method);
    return plan;
}

vmx_mock_plan *
vmx_mock_scripts_take(vmx_mock_scripts *scripts, vmx_str name)
{
    vmx_mock_script_method *method = find(scripts, name);
    if (method != NULL && method->first != NULL)
        return take_first(method);
    if (method == NULL || method->fallback == NULL)
        method = find(scripts, (vmx_str){"", 0});
    if (method != NULL && method->first != NULL)
        return take_first(method);
    vmx_mock_plan *plan = method != NULL ? method->fallback : NULL;
    if (plan != NULL)
        plan->refs++;
    return plan;
}

static void
free_method(vmx_mock_script_method *method)
{
    while (method->first != NULL)
        drop_first(method);
    vmx_mock_plan_unref(method->fallback);
    vmx_dealloc(method->name);
    vmx_dealloc(method);
}

void
vmx_mock_scripts_clear(vmx_mock_scripts *scripts)
{
    while (scripts->methods != NULL) {
        vmx_mock_script_method *method = scripts->methods;
        scripts->methods = method->next;
        free_method(method);
    }
}
