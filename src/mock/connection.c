#include "mock/connection.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/alloc.h"
#include "mock/session.h"
#include "mock/stream.h"

enum { READ_BYTES = 65536, GATHER_BYTES = 65536, LINGER_MS = 2000 };

/* --- the end ------------------------------------------------------------------------------------------------------- */

static void
drop_due(vmx_mock_connection *connection)
{
    while (connection->due != NULL) {
        vmx_mock_due *due = connection->due;
        connection->due = due->next;
        vmx_mock_plan_unref(due->plan);
        vmx_dealloc(due);
    }
    connection->last_due = &connection->due;
}

/* HTTP/2 is over; the socket may still linger. */
static void
drop_session(vmx_mock_connection *connection)
{
    if (connection->session == NULL)
        return;
    nghttp2_session_del(connection->session);
    connection->session = NULL;
    while (connection->streams != NULL)
        vmx_mock_stream_free(connection->streams);
    drop_due(connection);
    connection->mock->counters.connections_open--;
}

static void
close_socket(vmx_mock_connection *connection, bool reset)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    if (connection->dead)
        return;
    connection->dead = true;
    vmx_mock_timer_cancel(&connection->mock->loop, &connection->linger);
    vmx_mock_loop_remove(&connection->mock->loop, &connection->source);
    if (reset)
        setsockopt(connection->source.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(connection->source.fd);
}

static void
on_linger(vmx_mock_timer *timer)
{
    close_socket((vmx_mock_connection *)((char *)timer - offsetof(vmx_mock_connection, linger)), false);
}

/* After our FIN we read on, and drop what comes: a close with bytes unread would send RST and spoil what we have sent. */
void
vmx_mock_connection_end(vmx_mock_connection *connection, vmx_mock_ending ending)
{
    drop_session(connection);
    connection->ending = ending;
    if (connection->dead)
        return;
    if (ending == VMX_MOCK_ENDS_BY_RST || shutdown(connection->source.fd, SHUT_WR) != 0) {
        close_socket(connection, ending == VMX_MOCK_ENDS_BY_RST);
        return;
    }
    vmx_mock_loop_watch(&connection->mock->loop, &connection->source, EPOLLIN);
    connection->linger.fire = on_linger;
    vmx_mock_timer_set(&connection->mock->loop, &connection->linger, LINGER_MS);
}

void
vmx_mock_connection_free(vmx_mock_connection *connection)
{
    drop_session(connection);
    close_socket(connection, false);
    SSL_free(connection->tls);
    vmx_buffer_free(&connection->out);
    if (connection->prev != NULL)
        connection->prev->next = connection->next;
    else
        connection->mock->connections = connection->next;
    if (connection->next != NULL)
        connection->next->prev = connection->prev;
    vmx_dealloc(connection);
}

/* --- faults -------------------------------------------------------------------------------------------------------- */

void
vmx_mock_connection_add_due(vmx_mock_connection *connection, vmx_mock_plan *plan, int32_t stream_id)
{
    vmx_mock_due *due = vmx_calloc(1, sizeof *due);
    if (due == NULL) { /* without memory the connection cannot go on as it should */
        connection->ending = VMX_MOCK_ENDS_BY_RST;
        return;
    }
    plan->refs++;
    due->plan = plan;
    due->stream_id = stream_id;
    *connection->last_due = due;
    connection->last_due = &due->next;
    connection->dirty = true;
}

static int32_t
last_stream_of(const vmx_mock_answer *answer, int32_t stream_id)
{
    switch (answer->last_stream) {
    case VMX_MOCK_THIS_STREAM:
        return stream_id;
    case VMX_MOCK_STREAM_BEFORE:
        return stream_id > 2 ? stream_id - 2 : 0;
    case VMX_MOCK_STREAM_NONE:
        return 0;
    default:
        return (int32_t)answer->last_stream;
    }
}

static bool
go_away(vmx_mock_connection *connection, const vmx_mock_answer *answer, int32_t stream_id)
{
    int32_t last = last_stream_of(answer, stream_id);
    nghttp2_submit_goaway(connection->session, NGHTTP2_FLAG_NONE, last, answer->http2_code, NULL, 0);
    connection->dirty = true;
    if (answer->fault == VMX_MOCK_GOAWAY_CLOSE) {
        static const vmx_mock_answer close_then = {.size = sizeof close_then, .fault = VMX_MOCK_CLOSE};
        vmx_mock_plan *plan;
        if (vmx_mock_plan_new(&close_then, &plan, NULL) == VMX_OK) {
            vmx_mock_connection_add_due(connection, plan, stream_id);
            vmx_mock_plan_unref(plan);
        }
        return false;
    }
    return stream_id <= last;
}

static void
write_garbage(vmx_mock_connection *connection, vmx_str garbage)
{
    for (int i = 0; i < 64 && garbage.len == 0; i++)
        vmx_buffer_append_byte(&connection->out, 0xff);
    vmx_buffer_append(&connection->out, garbage.ptr, garbage.len);
}

bool
vmx_mock_connection_fault(vmx_mock_connection *connection, const vmx_mock_answer *answer, int32_t stream_id)
{
    connection->dirty = true;
    switch (answer->fault) {
    case VMX_MOCK_CLOSE:
        connection->ending = VMX_MOCK_ENDS_BY_FIN;
        return false;
    case VMX_MOCK_RESET:
        connection->ending = VMX_MOCK_ENDS_BY_RST;
        return false;
    case VMX_MOCK_RST_STREAM:
        nghttp2_submit_rst_stream(connection->session, NGHTTP2_FLAG_NONE, stream_id, answer->http2_code);
        return false;
    case VMX_MOCK_GOAWAY:
    case VMX_MOCK_GOAWAY_CLOSE:
        return go_away(connection, answer, stream_id);
    case VMX_MOCK_STALL:
        return false;
    case VMX_MOCK_DEAF:
        connection->deaf = true;
        return false;
    case VMX_MOCK_GARBAGE:
        write_garbage(connection, answer->garbage);
        return true;
    case VMX_MOCK_NO_FAULT:
    case VMX_MOCK_TRUNCATE:
    case VMX_MOCK_NO_TRAILERS:
        break;
    }
    return true;
}

/* The first fault that is due; everything before it is in `out`. */
static void
let_happen(vmx_mock_connection *connection)
{
    vmx_mock_due *due = connection->due;
    connection->due = due->next;
    if (connection->due == NULL)
        connection->last_due = &connection->due;
    vmx_mock_stream *stream = nghttp2_session_get_stream_user_data(connection->session, due->stream_id);
    bool goes_on = vmx_mock_connection_fault(connection, &due->plan->answer, due->stream_id);
    if (goes_on && stream != NULL)
        vmx_mock_stream_resume(stream);
    vmx_mock_plan_unref(due->plan);
    vmx_dealloc(due);
}

/* --- writing ------------------------------------------------------------------------------------------------------- */

/* Writes `out`. False: the socket takes no more, or the connection is gone. */
static bool
write_out(vmx_mock_connection *connection)
{
    vmx_buffer *out = &connection->out;
    while (connection->out_at < out->len) {
        const uint8_t *data = out->data + connection->out_at;
        size_t len = out->len - connection->out_at;
        ssize_t written = connection->tls != NULL ? vmx_mock_tls_write(connection->tls, data, len)
                                                  : send(connection->source.fd, data, len, MSG_NOSIGNAL);
        if (written <= 0) {
            connection->blocked = errno == EAGAIN || errno == EINTR;
            if (!connection->blocked)
                vmx_mock_connection_end(connection, VMX_MOCK_ENDS_BY_RST);
            return false;
        }
        connection->out_at += (size_t)written;
    }
    out->len = connection->out_at = 0;
    connection->blocked = false;
    return true;
}

/* Fills `out` from nghttp2, a good deal at a time. False: the session is broken. */
static bool
gather(vmx_mock_connection *connection)
{
    while (connection->out.len < GATHER_BYTES) {
        const uint8_t *data;
        ssize_t len = nghttp2_session_mem_send(connection->session, &data);
        if (len > 0)
            vmx_buffer_append(&connection->out, data, (size_t)len);
        if (len <= 0 || connection->out.failed)
            return len == 0;
    }
    return true;
}

/* One step towards having nothing left to do; false when it is done or cannot go on. */
static bool
flush_some(vmx_mock_connection *connection)
{
    if (!write_out(connection))
        return false;
    if (connection->ending != VMX_MOCK_GOES_ON || !gather(connection)) {
        vmx_mock_connection_end(connection,
                                connection->ending != VMX_MOCK_GOES_ON ? connection->ending : VMX_MOCK_ENDS_BY_RST);
        return false;
    }
    if (connection->out.len > 0)
        return true;
    if (connection->due != NULL) {
        let_happen(connection);
        return !connection->deaf;
    }
    if (!nghttp2_session_want_read(connection->session) && !nghttp2_session_want_write(connection->session))
        vmx_mock_connection_end(connection, VMX_MOCK_ENDS_BY_FIN);
    return false;
}

void
vmx_mock_connection_flush(vmx_mock_connection *connection)
{
    connection->dirty = false;
    while (connection->session != NULL && !connection->deaf && flush_some(connection))
        ;
    if (connection->session == NULL)
        return;
    uint32_t events = connection->deaf ? EPOLLRDHUP : connection->blocked ? EPOLLIN | EPOLLOUT : EPOLLIN;
    vmx_mock_loop_watch(&connection->mock->loop, &connection->source, events);
}

/* --- reading ------------------------------------------------------------------------------------------------------- */

/* One read. False: there is nothing more, or the connection is gone. */
static bool
read_some(vmx_mock_connection *connection, uint8_t *data)
{
    ssize_t len = connection->tls != NULL ? vmx_mock_tls_read(connection->tls, data, READ_BYTES)
                                          : recv(connection->source.fd, data, READ_BYTES, 0);
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (len <= 0) {
        drop_session(connection);
        close_socket(connection, false);
        return false;
    }
    if (connection->session != NULL && nghttp2_session_mem_recv(connection->session, data, (size_t)len) < 0)
        vmx_mock_connection_end(connection, VMX_MOCK_ENDS_BY_FIN);
    return !connection->dead && !connection->deaf;
}

/* A bounded number of reads, so that one connection does not keep the others waiting. */
static void
on_ready(vmx_mock_source *source, uint32_t events)
{
    uint8_t data[READ_BYTES];
    vmx_mock_connection *connection = (vmx_mock_connection *)source;
    if (connection->deaf && (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        drop_session(connection);
        close_socket(connection, false);
    }
    for (int i = 0; i < 8 && !connection->dead && !connection->deaf; i++)
        if (!read_some(connection, data))
            break;
    if (connection->session != NULL)
        vmx_mock_connection_flush(connection);
}

/* --- the beginning ------------------------------------------------------------------------------------------------- */

static bool
start_tls(vmx_mock_connection *connection)
{
    if (connection->mock->tls == NULL)
        return true;
    connection->tls = SSL_new(connection->mock->tls);
    if (connection->tls == NULL || SSL_set_fd(connection->tls, connection->source.fd) != 1)
        return false;
    SSL_set_accept_state(connection->tls);
    return true;
}

void
vmx_mock_connection_open(vmx_mock *mock, int fd)
{
    vmx_mock_connection *connection = vmx_calloc(1, sizeof *connection);
    mock->counters.connections_accepted++;
    if (connection == NULL) {
        close(fd);
        return;
    }
    connection->mock = mock;
    connection->number = mock->counters.connections_accepted;
    connection->source = (vmx_mock_source){.fd = fd, .ready = on_ready};
    connection->last_due = &connection->due;
    connection->next = mock->connections;
    if (connection->next != NULL)
        connection->next->prev = connection;
    mock->connections = connection;
    connection->session = vmx_mock_session_new(connection);
    mock->counters.connections_open += connection->session != NULL;
    if (connection->session == NULL || !start_tls(connection) ||
        !vmx_mock_loop_add(&mock->loop, &connection->source, EPOLLIN))
        vmx_mock_connection_end(connection, VMX_MOCK_ENDS_BY_RST);
    else
        vmx_mock_connection_flush(connection);
}
