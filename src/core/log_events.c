/* docs/logging.md is this table, with the fields. */
#include "core/log.h"

static const vmx_log_event_row rows[VMX_LOG_EVENT_COUNT] = {
    [VMX_LOG_EVENT_CLIENT_OPENED] = {VMX_LOG_INFO, "api", "client_opened", "the client was opened"},
    [VMX_LOG_EVENT_CLIENT_CLOSED] = {VMX_LOG_INFO, "api", "client_closed", "the client was closed"},
    [VMX_LOG_EVENT_CLOSE_TIMEOUT] = {VMX_LOG_WARN, "api", "close_timeout",
                                     "closing ran out of time while operations were still running"},
    [VMX_LOG_EVENT_CHANNEL_CONNECTING] = {VMX_LOG_DEBUG, "rpc", "channel_connecting", "a connection is being made"},
    [VMX_LOG_EVENT_CHANNEL_READY] = {VMX_LOG_INFO, "rpc", "channel_ready", "a connection is ready for calls"},
    [VMX_LOG_EVENT_CHANNEL_LOST] = {VMX_LOG_INFO, "rpc", "channel_lost",
                                    "a connection has ended; it is being made again"},
    [VMX_LOG_EVENT_CHANNEL_FAILING] = {VMX_LOG_WARN, "rpc", "channel_failing",
                                       "a connection could not be made; it will be tried again"},
    [VMX_LOG_EVENT_CONNECT_FAILED] = {VMX_LOG_WARN, "rpc", "connect_failed", "the reason why no connection is made"},
    [VMX_LOG_EVENT_CHANNEL_EJECTED] = {VMX_LOG_WARN, "rpc", "channel_ejected",
                                       "a connection is left alone for a while because calls on it failed"},
    [VMX_LOG_EVENT_CHANNEL_RETURNED] = {VMX_LOG_INFO, "rpc", "channel_returned",
                                        "a connection that was left alone serves calls again"},
    [VMX_LOG_EVENT_CHANNEL_REPLACED] = {VMX_LOG_INFO, "rpc", "channel_replaced",
                                        "a connection has reached its age and was replaced by a new one"},
    [VMX_LOG_EVENT_RETRY] = {VMX_LOG_INFO, "rpc", "retry", "an attempt failed and will be repeated"},
    [VMX_LOG_EVENT_CALL_FAILED] = {VMX_LOG_WARN, "rpc", "call_failed", "a call was given up"},
    [VMX_LOG_EVENT_CALL_REFUSED] = {VMX_LOG_INFO, "rpc", "call_refused", "the server refused a call for good"},
    [VMX_LOG_EVENT_PUSHBACK] = {VMX_LOG_INFO, "rpc", "pushback", "the server said when to try again"},
    [VMX_LOG_EVENT_BUDGET_EMPTY] = {VMX_LOG_WARN, "rpc", "budget_empty",
                                    "too many attempts fail: no retries until calls succeed again"},
    [VMX_LOG_EVENT_BUDGET_REFILLED] = {VMX_LOG_INFO, "rpc", "budget_refilled",
                                       "calls succeed again: retries are allowed"},
    [VMX_LOG_EVENT_LIMIT_LOWERED] = {VMX_LOG_WARN, "rpc", "limit_lowered",
                                     "the server is overloaded: fewer calls are sent at a time"},
    [VMX_LOG_EVENT_HEDGE_SENT] = {VMX_LOG_DEBUG, "rpc", "hedge_sent", "a slow read was sent a second time"},
    [VMX_LOG_EVENT_HEDGE_WON] = {VMX_LOG_DEBUG, "rpc", "hedge_won", "the second attempt of a read answered first"},
    [VMX_LOG_EVENT_BATCH] = {VMX_LOG_INFO, "writer", "batch", "a batch of vectors has its outcome"},
    [VMX_LOG_EVENT_DEAD_LETTERS_LOST] = {VMX_LOG_ERROR, "writer", "dead_letters_lost",
                                         "failed vectors could not be written to the dead letter file"},
    [VMX_LOG_EVENT_BLOB_LEFT] = {VMX_LOG_WARN, "build", "blob_left",
                                 "a blob of a build that has ended could not be deleted"},
};

const vmx_log_event_row *
vmx_log_event_at(vmx_log_event event)
{
    return &rows[event];
}

const char *
vmx_log_level_name(vmx_log_level level)
{
    static const char *const names[] = {"off", "error", "warn", "info", "debug"};
    return (unsigned)level <= VMX_LOG_DEBUG ? names[level] : "?";
}
