#include "rpc/failure.h"

#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "rpc/report.h"

typedef struct code_row {
    const char *name;
    vmx_status status;
} code_row;

/* By gRPC status code. */
static const code_row codes[] = {
    {"OK", VMX_OK},
    {"CANCELLED", VMX_ERR_CANCELLED},
    {"UNKNOWN", VMX_ERR_SERVER},
    {"INVALID_ARGUMENT", VMX_ERR_REJECTED},
    {"DEADLINE_EXCEEDED", VMX_ERR_DEADLINE},
    {"NOT_FOUND", VMX_ERR_NOT_FOUND},
    {"ALREADY_EXISTS", VMX_ERR_ALREADY_EXISTS},
    {"PERMISSION_DENIED", VMX_ERR_PERMISSION_DENIED},
    {"RESOURCE_EXHAUSTED", VMX_ERR_RESOURCE_EXHAUSTED},
    {"FAILED_PRECONDITION", VMX_ERR_REJECTED},
    {"ABORTED", VMX_ERR_SERVER},
    {"OUT_OF_RANGE", VMX_ERR_REJECTED},
    {"UNIMPLEMENTED", VMX_ERR_REJECTED},
    {"INTERNAL", VMX_ERR_SERVER},
    {"UNAVAILABLE", VMX_ERR_UNAVAILABLE},
    {"DATA_LOSS", VMX_ERR_SERVER},
    {"UNAUTHENTICATED", VMX_ERR_UNAUTHENTICATED},
};

static const code_row *
row_of(int grpc_code)
{
    bool known = grpc_code >= 0 && (size_t)grpc_code < sizeof codes / sizeof codes[0];
    return &codes[known ? grpc_code : VMX_GRPC_UNKNOWN];
}

const char *
vmx_grpc_code_name(int grpc_code)
{
    return row_of(grpc_code)->name;
}

vmx_status
vmx_status_of_grpc(int grpc_code)
{
    return row_of(grpc_code)->status;
}

/* What to do about it, by what the transport's text holds or by the code. */
typedef struct remedy {
    const char *sign;
    const char *advice;
} remedy;

static const remedy remedies[] = {
    {"WRONG_VERSION_NUMBER", "the server speaks plain text: set tls=off, or use its TLS port"},
    {"wrong version number", "the server speaks plain text: set tls=off, or use its TLS port"},
    {"CERTIFICATE_VERIFY_FAILED", "its certificate is not signed by the authorities in use: set tls.ca.file"},
    {"certificate verify failed", "its certificate is not signed by the authorities in use: set tls.ca.file"},
    {"is not in peer certificate", "the certificate is for another name: set tls.server.name"},
    {"Trying to connect an http1.x server", "the server speaks HTTP/1, not gRPC: check the port"},
    {"Connection refused", "nothing listens there: check the endpoint, or start the server"},
    {"DNS resolution failed", "the name is unknown: check the endpoint"},
    {"larger than max", "raise receive.limit.bytes, or ask for less"},
};

/* A server that expects TLS closes a plain connection without a word, or answers with what is no HTTP/2. */
static bool
may_want_tls(const vmx_call *call, const char *text)
{
    return !call->caller->tls && strstr(text, "failed to connect to all addresses") != NULL &&
           (strstr(text, "Socket closed") != NULL || strstr(text, "Connection reset") != NULL ||
            strstr(text, "Failed parsing HTTP/2") != NULL);
}

bool
vmx_failure_lasts(const vmx_reply *reply)
{
    return reply->text.len > 0 && (strstr(reply->text.ptr, "certificate verify failed") != NULL ||
                                   strstr(reply->text.ptr, "is not in peer certificate") != NULL);
}

static const char *
advice_for(const vmx_call *call, const vmx_reply *reply)
{
    if (reply->text.len > 0 && may_want_tls(call, reply->text.ptr))
        return "the server speaks no gRPC in plain text: set tls=on if it speaks TLS, or check the port";
    for (size_t i = 0; i < sizeof remedies / sizeof remedies[0]; i++)
        if (reply->text.len > 0 && strstr(reply->text.ptr, remedies[i].sign) != NULL)
            return remedies[i].advice;
    switch (reply->grpc_code) {
    case VMX_GRPC_UNAUTHENTICATED:
    case VMX_GRPC_PERMISSION_DENIED:
        return "check api.key";
    case VMX_GRPC_RESOURCE_EXHAUSTED:
        return "send less, or slower";
    case VMX_GRPC_DEADLINE_EXCEEDED:
        return "raise the timeout, or look at the server";
    case VMX_GRPC_UNIMPLEMENTED:
        return "the server does not know this call: check the endpoint and its version";
    case VMX_GRPC_UNAVAILABLE:
        return "try again later";
    default:
        return NULL;
    }
}

bool
vmx_reply_leaves_doubt(const vmx_reply *reply)
{
    const uint32_t doubtful = 1u << VMX_GRPC_CANCELLED | 1u << VMX_GRPC_UNKNOWN | 1u << VMX_GRPC_DEADLINE_EXCEEDED |
                              1u << VMX_GRPC_INTERNAL | 1u << VMX_GRPC_DATA_LOSS;
    if (reply->reach != VMX_REACH_SERVER)
        return reply->reach == VMX_REACH_UNKNOWN;
    return reply->grpc_code >= 0 && (doubtful >> reply->grpc_code & 1) != 0;
}

/* `reach` of the last attempt, which has left no doubt. */
static vmx_outcome
outcome_of(const vmx_call *call, vmx_reach reach)
{
    if (call->maybe_sent)
        return VMX_OUTCOME_UNKNOWN;
    return reach == VMX_REACH_SERVER ? VMX_OUTCOME_REJECTED : VMX_OUTCOME_NOT_SENT;
}

static const char *
outcome_words(const vmx_call *call, vmx_outcome outcome)
{
    return call->request.writes && outcome == VMX_OUTCOME_UNKNOWN ? "; it may or may not have taken effect" : "";
}

/* Why it was not tried again, where that is not plain. */
static const char *
stop_words(const vmx_call *call)
{
    switch (call->stop) {
    case VMX_STOP_DEADLINE:
        return "; no time for another attempt";
    case VMX_STOP_BUDGET:
        return "; the retry budget is empty";
    case VMX_STOP_SERVER:
        return "; the server asked not to try again";
    default:
        return "";
    }
}

/* Fills everything but code and message, which vmx_error_set has just written. */
static void
add_details(vmx_call *call, const vmx_reply *reply, vmx_outcome outcome, bool retriable)
{
    vmx_error *error = call->error;
    error->attempts = (uint32_t)call->records.count;
    error->outcome = outcome;
    error->retriable = retriable;
    error->budget_exhausted = call->stop == VMX_STOP_BUDGET;
    if (reply == NULL)
        return;
    vmx_pushback pushback = vmx_pushback_read(reply);
    if (pushback.given && !pushback.stop)
        error->retry_after_ms = pushback.wait_ms;
    error->grpc_code = reply->grpc_code;
    snprintf(error->peer, sizeof error->peer, "%.*s", (int)reply->peer.len, reply->peer.ptr);
}

/* "3 attempts" */
static const char *
attempts_words(const vmx_call *call, char words[24])
{
    snprintf(words, 24, "%zu attempt%s", call->records.count, call->records.count == 1 ? "" : "s");
    return words;
}

/* The transport's words, cut to a length that leaves room for the advice. */
static vmx_str
clip_text(const vmx_reply *reply)
{
    vmx_str text = reply->text.len > 0 ? reply->text : VMX_STR("no reason given");
    text.len = text.len < 300 ? text.len : 300;
    return text;
}

void
vmx_failure_of_reply(vmx_call *call, bool retriable)
{
    char attempts[24];
    const vmx_reply *reply = vmx_call_reply(call);
    vmx_outcome outcome = outcome_of(call, reply->reach);
    const char *advice = advice_for(call, reply);
    vmx_str text = clip_text(reply);
    if (reply->grpc_code == VMX_GRPC_DEADLINE_EXCEEDED && reply->reach != VMX_REACH_SERVER)
        vmx_error_set(call->error, VMX_ERR_DEADLINE, "%s at %s: no answer within %lld ms (%s)%s; %s", call->op->name,
                      call->caller->endpoint, (long long)call->settings.timeout_ms, attempts_words(call, attempts),
                      outcome_words(call, outcome), advice);
    else
        vmx_error_set(call->error, vmx_status_of_grpc(reply->grpc_code), "%s at %s: %s: %.*s (%s)%s%s%s%s",
                      call->op->name, call->caller->endpoint, vmx_grpc_code_name(reply->grpc_code), (int)text.len,
                      text.ptr, attempts_words(call, attempts), stop_words(call), outcome_words(call, outcome),
                      advice != NULL ? "; " : "", advice != NULL ? advice : "");
    add_details(call, reply, outcome, retriable);
    vmx_report_failure(call, call->last);
}

void
vmx_failure_in_line(vmx_call *call)
{
    char why[VMX_ERROR_MESSAGE_SIZE / 2];
    vmx_pool_last_failure(call->caller->pool, why, sizeof why);
    vmx_reply reply = {.grpc_code = VMX_GRPC_UNAVAILABLE, .text = vmx_str_from(why)};
    const char *advice = why[0] != '\0' ? advice_for(call, &reply) : "raise the timeout, or channel.max.streams";
    vmx_outcome outcome = outcome_of(call, VMX_REACH_NONE);
    vmx_error_set(call->error, VMX_ERR_DEADLINE, "%s at %s: no connection was free within %lld ms%s%s%s; %s",
                  call->op->name, call->caller->endpoint, (long long)call->settings.timeout_ms,
                  why[0] != '\0' ? ": " : "", why, outcome_words(call, outcome), advice);
    add_details(call, NULL, outcome, true);
    vmx_report_failure(call, NULL);
}

void
vmx_failure_cancelled(vmx_call *call)
{
    vmx_outcome outcome = outcome_of(call, VMX_REACH_NONE);
    vmx_error_set(call->error, VMX_ERR_CANCELLED, "%s at %s: cancelled%s", call->op->name, call->caller->endpoint,
                  outcome_words(call, outcome));
    add_details(call, NULL, outcome, false);
}

void
vmx_failure_no_memory(vmx_call *call)
{
    vmx_error_no_memory(call->error);
    add_details(call, NULL, outcome_of(call, VMX_REACH_NONE), true);
    vmx_report_failure(call, NULL);
}
