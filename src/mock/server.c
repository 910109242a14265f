#include "mock/server.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "core/sized.h"
#include "core/sync.h"
#include "mock/connection.h"
#include "mock/stream.h"

enum { DEFAULT_RECORDS = 1000000 };

#define DEFAULT_REQUEST_BYTES  ((size_t)64 << 20)
#define DEFAULT_RECORDED_BYTES ((size_t)256 << 20)

static vmx_mock *
of_listener(vmx_mock_listener *listener)
{
    return (vmx_mock *)((char *)listener - offsetof(vmx_mock, listener));
}

static void
lock(vmx_mock *mock)
{
    pthread_mutex_lock(&mock->loop.lock);
}

static void
unlock(vmx_mock *mock)
{
    pthread_mutex_unlock(&mock->loop.lock);
}

int64_t
vmx_mock_now_us(const vmx_mock *mock)
{
    return (int64_t)(vmx_monotonic_us() - mock->started_us);
}

/* --- the loop ------------------------------------------------------------------------------------------------------ */

static void
on_accepted(vmx_mock_listener *listener, int fd)
{
    vmx_mock_connection_open(of_listener(listener), fd);
}

static void
on_turned(vmx_mock_loop *loop)
{
    vmx_mock *mock = (vmx_mock *)loop;
    for (vmx_mock_connection *at = mock->connections, *next; at != NULL; at = next) {
        next = at->next;
        if (at->dirty && !at->dead)
            vmx_mock_connection_flush(at);
        if (at->dead)
            vmx_mock_connection_free(at);
    }
}

/* The handler runs without the lock, so that it can answer at once. */
static bool
on_unlocked(vmx_mock_loop *loop)
{
    vmx_mock *mock = (vmx_mock *)loop;
    lock(mock);
    vmx_mock_call *call = mock->waiting;
    mock->waiting = NULL;
    mock->last_waiting = &mock->waiting;
    unlock(mock);
    bool some = call != NULL;
    while (call != NULL) {
        vmx_mock_call *next = call->next;
        mock->options.handler(mock->options.user, call);
        call = next;
    }
    return some;
}

/* --- start and stop ------------------------------------------------------------------------------------------------ */

void
vmx_mock_options_init(vmx_mock_options *options, size_t size)
{
    vmx_sized_init(options, size);
}

static vmx_mock *
new_mock(const vmx_mock_options *options)
{
    vmx_mock *mock = vmx_calloc(1, sizeof *mock);
    if (mock == NULL)
        return NULL;
    if (options != NULL)
        vmx_sized_read(&mock->options, sizeof mock->options, options);
    if (mock->options.max_request_bytes == 0)
        mock->options.max_request_bytes = DEFAULT_REQUEST_BYTES;
    mock->log.max_bytes =
        mock->options.max_recorded_bytes > 0 ? mock->options.max_recorded_bytes : DEFAULT_RECORDED_BYTES;
    mock->log.max_entries = mock->options.max_records > 0 ? mock->options.max_records : DEFAULT_RECORDS;
    mock->listener.source.fd = mock->listener.reserve = -1;
    mock->listener.accepted = on_accepted;
    mock->loop.turned = on_turned;
    mock->loop.unlocked = on_unlocked;
    mock->last_waiting = &mock->waiting;
    mock->started_us = vmx_monotonic_us();
    mock->refs = 1;
    return mock;
}

static vmx_status
prepare(vmx_mock *mock, vmx_error *error)
{
    vmx_mock_options *options = &mock->options;
    if ((options->tls_certificate.len > 0) != (options->tls_key.len > 0))
        return vmx_error_set(error, VMX_ERR_INVALID, "mock: give tls_certificate and tls_key together");
    if (options->tls_key.len > 0) {
        mock->tls = vmx_mock_tls_context(options->tls_certificate, options->tls_key, error);
        if (mock->tls == NULL)
            return VMX_ERR_INVALID;
    }
    vmx_str host = options->host.len > 0 ? options->host : (vmx_str){"127.0.0.1", 9};
    vmx_status status = vmx_mock_listener_open(&mock->listener, host, options->port, error);
    options->host = options->tls_certificate = options->tls_key = (vmx_str){0};
    return status;
}

/* The last reference has gone. */
static void
free_mock(vmx_mock *mock)
{
    pthread_mutex_destroy(&mock->loop.lock);
    SSL_CTX_free(mock->tls);
    vmx_dealloc(mock);
}

vmx_status
vmx_mock_start(const vmx_mock_options *options, vmx_mock **out, vmx_error *error)
{
    *out = NULL;
    vmx_mock *mock = new_mock(options);
    if (mock == NULL)
        return vmx_error_no_memory(error);
    vmx_status status = prepare(mock, error);
    if (status == VMX_OK && !vmx_mock_loop_start(&mock->loop, "vmx-mock"))
        status = vmx_error_set(error, VMX_ERR_IO, "mock: the system gives no thread, or no descriptor");
    if (status != VMX_OK) {
        vmx_mock_listener_close(&mock->listener);
        SSL_CTX_free(mock->tls);
        vmx_dealloc(mock);
        return status;
    }
    lock(mock);
    bool watched = vmx_mock_listener_watch(&mock->listener, &mock->loop);
    unlock(mock);
    if (!watched) {
        vmx_mock_stop(mock);
        return vmx_error_set(error, VMX_ERR_IO, "mock: the system watches no more sockets");
    }
    *out = mock;
    return VMX_OK;
}

static void
drop_ref(vmx_mock *mock)
{
    bool last = --mock->refs == 0;
    unlock(mock);
    if (last)
        free_mock(mock);
}

/* Calls that the handler has not seen are taken back; calls that it has not answered lose their stream. */
void
vmx_mock_stop(vmx_mock *mock)
{
    if (mock == NULL)
        return;
    vmx_mock_loop_stop(&mock->loop);
    lock(mock);
    vmx_mock_listener_close(&mock->listener);
    while (mock->connections != NULL)
        vmx_mock_connection_free(mock->connections);
    vmx_mock_scripts_clear(&mock->scripts);
    vmx_mock_log_clear(&mock->log);
    while (mock->waiting != NULL) {
        vmx_mock_call *call = mock->waiting;
        mock->waiting = call->next;
        vmx_mock_entry_unref(call->entry);
        vmx_dealloc(call);
        mock->refs--;
    }
    drop_ref(mock);
}

int
vmx_mock_port(const vmx_mock *mock)
{
    return vmx_mock_listener_port(&mock->listener);
}

/* --- scripts ------------------------------------------------------------------------------------------------------- */

static vmx_status
copy_answers(const vmx_mock_answer *answers, size_t count, vmx_mock_plan **plans, vmx_error *error)
{
    const char *at = (const char *)answers; /* elements are as large as the caller's version of the struct */
    for (size_t i = 0; i < count; i++) {
        vmx_status status = vmx_mock_plan_new((const vmx_mock_answer *)(const void *)at, &plans[i], error);
        if (status != VMX_OK) {
            while (i-- > 0)
                vmx_mock_plan_unref(plans[i]);
            return status;
        }
        at += answers->size;
    }
    return VMX_OK;
}

vmx_status
vmx_mock_script(vmx_mock *mock, vmx_str method, const vmx_mock_answer *answers, size_t count, vmx_error *error)
{
    vmx_mock_plan **plans = vmx_calloc(count, sizeof *plans);
    if (plans == NULL)
        return vmx_error_no_memory(error);
    vmx_status status = copy_answers(answers, count, plans, error);
    if (status == VMX_OK) {
        lock(mock);
        bool appended = vmx_mock_scripts_append(&mock->scripts, method, plans, count);
        unlock(mock);
        status = appended ? VMX_OK : vmx_error_no_memory(error);
    }
    vmx_dealloc(plans);
    return status;
}

vmx_status
vmx_mock_default(vmx_mock *mock, vmx_str method, const vmx_mock_answer *answer, vmx_error *error)
{
    vmx_mock_plan *plan = NULL;
    vmx_status status = answer != NULL ? vmx_mock_plan_new(answer, &plan, error) : VMX_OK;
    if (status != VMX_OK)
        return status;
    lock(mock);
    bool set = vmx_mock_scripts_set_default(&mock->scripts, method, plan);
    unlock(mock);
    return set ? VMX_OK : vmx_error_no_memory(error);
}

void
vmx_mock_clear(vmx_mock *mock)
{
    lock(mock);
    vmx_mock_scripts_clear(&mock->scripts);
    vmx_mock_log_clear(&mock->log);
    unlock(mock);
}

/* --- connections --------------------------------------------------------------------------------------------------- */

void
vmx_mock_refuse(vmx_mock *mock, int64_t for_ms)
{
    lock(mock);
    vmx_mock_listener_refuse(&mock->listener, for_ms);
    unlock(mock);
    vmx_mock_loop_wake(&mock->loop);
}

void
vmx_mock_drop_connections(vmx_mock *mock, bool reset)
{
    lock(mock);
    for (vmx_mock_connection *at = mock->connections; at != NULL; at = at->next)
        if (at->session != NULL)
            vmx_mock_connection_end(at, reset ? VMX_MOCK_ENDS_BY_RST : VMX_MOCK_ENDS_BY_FIN);
    unlock(mock);
    vmx_mock_loop_wake(&mock->loop);
}

void
vmx_mock_counters_init(vmx_mock_counters *counters, size_t size)
{
    vmx_sized_init(counters, size);
}

void
vmx_mock_count(vmx_mock *mock, vmx_mock_counters *counters)
{
    lock(mock);
    vmx_sized_write(counters, &mock->counters, sizeof mock->counters);
    unlock(mock);
}

/* --- calls of the handler ------------------------------------------------------------------------------------------ */

void
vmx_mock_call_record(const vmx_mock_call *call, vmx_mock_record *record)
{
    lock(call->mock); /* an early call's request may be arriving */
    vmx_mock_record ours = call->entry->record;
    unlock(call->mock);
    vmx_sized_write(record, &ours, sizeof ours);
}

void
vmx_mock_call_answer(vmx_mock_call *call, const vmx_mock_answer *answer)
{
    static const vmx_mock_answer none = {
        .size = sizeof none, .grpc_code = 13, .details = {"mock: the handler has no answer", 31}};
    vmx_mock *mock = call->mock;
    vmx_mock_plan *plan = NULL;
    vmx_error error;
    if (vmx_mock_plan_new(answer != NULL ? answer : &none, &plan, &error) == VMX_ERR_INVALID) {
        vmx_mock_answer refused = none;
        refused.details = (vmx_str){error.message, strlen(error.message)};
        vmx_mock_plan_new(&refused, &plan, NULL);
    }
    lock(mock);
    if (call->stream != NULL && plan != NULL) {
        vmx_mock_stream_answer(call->stream, plan);
        vmx_mock_loop_wake(&mock->loop);
    } else {
        if (call->stream != NULL)
            call->stream->call = NULL;
        vmx_mock_plan_unref(plan);
    }
    vmx_mock_entry_unref(call->entry);
    vmx_dealloc(call);
    drop_ref(mock);
}

void
vmx_mock_call_await(vmx_mock_call *call)
{
    vmx_mock *mock = call->mock;
    lock(mock);
    if (call->stream != NULL) {
        vmx_mock_stream_await(call->stream);
        vmx_mock_loop_wake(&mock->loop);
    }
    vmx_mock_entry_unref(call->entry);
    vmx_dealloc(call);
    drop_ref(mock);
}

/* --- the log ------------------------------------------------------------------------------------------------------- */

size_t
vmx_mock_call_count(vmx_mock *mock, vmx_str method)
{
    lock(mock);
    size_t count = vmx_mock_log_count(&mock->log, method);
    unlock(mock);
    return count;
}

bool
vmx_mock_call_at(vmx_mock *mock, vmx_str method, size_t i, vmx_mock_record *out)
{
    vmx_mock_record record;
    lock(mock);
    bool found = vmx_mock_log_at(&mock->log, method, i, &record);
    unlock(mock);
    if (found)
        vmx_sized_write(out, &record, sizeof record);
    return found;
}

/* Unlocks, and tells whether the expectation was noted. */
static vmx_status
noted(vmx_mock *mock, bool done)
{
    unlock(mock);
    return done ? VMX_OK : VMX_ERR_NO_MEMORY;
}

vmx_status
vmx_mock_expect_calls(vmx_mock *mock, vmx_str method, size_t min, size_t max)
{
    lock(mock);
    return noted(mock, vmx_mock_log_expect_calls(&mock->log, method, min, max));
}

vmx_status
vmx_mock_expect_order(vmx_mock *mock, const vmx_str *methods, size_t count)
{
    lock(mock);
    return noted(mock, vmx_mock_log_expect_order(&mock->log, methods, count));
}

vmx_status
vmx_mock_expect_header(vmx_mock *mock, vmx_str method, vmx_str key, vmx_str value)
{
    lock(mock);
    return noted(mock, vmx_mock_log_expect_header(&mock->log, method, key, value));
}

bool
vmx_mock_verify(vmx_mock *mock, char *report, size_t report_size)
{
    vmx_buffer text = {0};
    lock(mock);
    bool holds = vmx_mock_log_verify(&mock->log, &text);
    unlock(mock);
    if (report != NULL && report_size > 0) {
        size_t len = text.len < report_size ? text.len : report_size - 1;
        if (len > 0)
            memcpy(report, text.data, len);
        report[len] = '\0';
    }
    vmx_buffer_free(&text);
    return holds;
}
