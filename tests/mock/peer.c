#include "mock/peer.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/harness.h"

static peer_reply *
reply_of(peer *self, int32_t id)
{
    return id > 0 ? &self->replies[id / 2] : NULL;
}

static int
on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
          const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
    (void)session, (void)flags, (void)name_len, (void)value_len;
    peer_reply *reply = reply_of(user, frame->hd.stream_id);
    const char *key = (const char *)name, *text = (const char *)value;
    char *block = reply->blocks == 0 ? reply->headers : reply->trailers;
    size_t len = strlen(block);
    snprintf(block + len, sizeof reply->headers - len, "%s=%s;", key, text);
    if (strcmp(key, ":status") == 0)
        reply->http_status = (int)strtol(text, NULL, 10);
    if (strcmp(key, "grpc-status") == 0)
        reply->grpc_status = (int)strtol(text, NULL, 10);
    return 0;
}

static int
on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)session;
    peer *self = user;
    peer_reply *reply = reply_of(self, frame->hd.stream_id);
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        self->goaway_code = frame->goaway.error_code;
        self->goaway_last = frame->goaway.last_stream_id;
    } else if (frame->hd.type == NGHTTP2_RST_STREAM) {
        reply->rst_code = frame->rst_stream.error_code;
    } else if (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) {
        reply->blocks += frame->hd.type == NGHTTP2_HEADERS;
        reply->ended = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
        reply->ended_ms = now_ms() - self->started_ms;
    }
    return 0;
}

static int
on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *user)
{
    (void)session, (void)flags;
    peer *self = user;
    peer_reply *reply = reply_of(self, id);
    size_t room = sizeof reply->body - reply->body_len;
    reply->last_byte_ms = now_ms() - self->started_ms;
    if (reply->body_len == 0)
        reply->first_byte_ms = reply->last_byte_ms;
    memcpy(reply->body + reply->body_len, data, len < room ? len : room);
    reply->body_len += len < room ? len : room;
    return 0;
}

static int
connect_to(int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_msg(connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "port %d: %s", port, strerror(errno));
    return fd;
}

peer *
peer_open(int port)
{
    peer *self = calloc(1, sizeof *self);
    self->fd = connect_to(port);
    self->goaway_code = -1;
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_option_new(&option);
    nghttp2_option_set_no_http_messaging(option, 1);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    ck_assert_int_eq(nghttp2_session_client_new2(&self->session, callbacks, self, option), 0);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    nghttp2_submit_settings(self->session, NGHTTP2_FLAG_NONE, NULL, 0);
    self->started_ms = now_ms();
    return self;
}

void
peer_close(peer *self)
{
    nghttp2_session_del(self->session);
    close(self->fd);
    free(self);
}

static ssize_t
read_body(nghttp2_session *session, int32_t id, uint8_t *to, size_t room, uint32_t *flags, nghttp2_data_source *source,
          void *user)
{
    (void)session;
    peer *self = user;
    size_t i = (size_t)id / 2, left = self->message_len[i] - self->message_at[i];
    size_t count = left < room ? left : room;
    if (count == 0 && source->ptr != NULL)
        return NGHTTP2_ERR_DEFERRED;
    memcpy(to, self->message[i] + self->message_at[i], count);
    self->message_at[i] += count;
    if (count == left && source->ptr == NULL)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)count;
}

/* Whoever sees the reset first sees it alone. */
static void
send_all(peer *self)
{
    const uint8_t *data;
    for (ssize_t len; (len = nghttp2_session_mem_send(self->session, &data)) > 0;)
        if (send(self->fd, data, (size_t)len, MSG_NOSIGNAL) < 0) {
            self->reset = self->reset || errno == ECONNRESET;
            return;
        }
}

static nghttp2_nv
nv(const char *key, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)key, (uint8_t *)(uintptr_t)value, strlen(key), strlen(value), 0};
}

peer_reply *
peer_call(peer *self, const char *method, const uint8_t *prefixed, size_t len, bool whole)
{
    static int unfinished;
    nghttp2_nv headers[] = {nv(":method", "POST"),
                            nv(":scheme", "http"),
                            nv(":path", method),
                            nv(":authority", "test"),
                            nv("content-type", "application/grpc"),
                            nv("te", "trailers"),
                            nv("x-bytes-bin", "AAH/")};
    size_t i = self->calls++;
    self->message[i] = prefixed;
    self->message_len[i] = len;
    self->replies[i].grpc_status = -1;
    self->replies[i].rst_code = -1;
    nghttp2_data_provider body = {.source.ptr = whole ? NULL : &unfinished, .read_callback = read_body};
    int32_t id = nghttp2_submit_request(self->session, NULL, headers, 7, &body, NULL);
    ck_assert_int_eq(id, 2 * (int32_t)i + 1);
    self->started_ms = now_ms();
    send_all(self);
    return &self->replies[i];
}

static void
receive(peer *self, int timeout_ms)
{
    uint8_t data[65536];
    struct pollfd ready = {.fd = self->fd, .events = POLLIN};
    if (poll(&ready, 1, timeout_ms) <= 0)
        return;
    ssize_t len = recv(self->fd, data, sizeof data, 0);
    self->closed = len <= 0;
    self->reset = self->reset || (len < 0 && errno == ECONNRESET);
    if (len > 0 && (nghttp2_session_mem_recv(self->session, data, (size_t)len) < 0 ||
                    nghttp2_session_want_read(self->session) == 0))
        self->broken = true;
    send_all(self);
}

void
peer_wait(peer *self, const peer_reply *reply, int64_t timeout_ms)
{
    int64_t limit = now_ms() + timeout_ms;
    while (!self->closed && !self->broken && (reply == NULL || (!reply->ended && reply->rst_code < 0))) {
        int64_t left = limit - now_ms();
        if (left <= 0)
            return;
        receive(self, (int)left);
    }
}
