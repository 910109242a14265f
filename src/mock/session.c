#include "mock/session.h"

#include "mock/stream.h"

/* Wide windows: a test is no place to wait for flow control. */
enum { STREAM_WINDOW = 4 << 20, CONNECTION_WINDOW = 64 << 20 };

static vmx_mock_stream *
stream_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

static int
on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    vmx_mock_stream *stream = vmx_mock_stream_new(user, frame->hd.stream_id);
    if (stream == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream);
    return 0;
}

static int
on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
          const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
    (void)flags, (void)user;
    vmx_mock_stream *stream = stream_of(session, frame->hd.stream_id);
    if (stream == NULL || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    vmx_str key = {(const char *)name, name_len}, text = {(const char *)value, value_len};
    return vmx_mock_stream_on_header(stream, key, text) ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int
on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)user;
    vmx_mock_stream *stream = stream_of(session, frame->hd.stream_id);
    if (stream == NULL || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        vmx_mock_stream_on_headers(stream);
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
        vmx_mock_stream_on_end(stream);
    return 0;
}

static int
on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *user)
{
    (void)flags, (void)user;
    vmx_mock_stream *stream = stream_of(session, id);
    if (stream != NULL)
        vmx_mock_stream_on_data(stream, data, len);
    return 0;
}

static int
on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)user;
    bool ends = (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
                (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    vmx_mock_stream *stream = ends ? stream_of(session, frame->hd.stream_id) : NULL;
    if (stream != NULL)
        vmx_mock_stream_on_sent(stream);
    return 0;
}

static int
on_reset(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    vmx_mock_connection *connection = user;
    if (frame->hd.type == NGHTTP2_RST_STREAM && stream_of(session, frame->hd.stream_id) != NULL)
        connection->mock->counters.cancelled++;
    return on_frame(session, frame, user);
}

static int
on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    (void)code, (void)user;
    vmx_mock_stream *stream = stream_of(session, id);
    nghttp2_session_set_stream_user_data(session, id, NULL);
    if (stream != NULL)
        vmx_mock_stream_free(stream);
    return 0;
}

static nghttp2_session_callbacks *
make_callbacks(void)
{
    nghttp2_session_callbacks *callbacks;
    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        return NULL;
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_reset);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    return callbacks;
}

/* gRPC is stricter than HTTP (it sends `te`, and trailers of its own), so nghttp2's HTTP rules are not ours to enforce. */
static nghttp2_option *
make_option(void)
{
    nghttp2_option *option;
    if (nghttp2_option_new(&option) != 0)
        return NULL;
    nghttp2_option_set_no_http_messaging(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    return option;
}

static bool
submit_settings(nghttp2_session *session, uint32_t max_streams)
{
    nghttp2_settings_entry entries[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
                                        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, max_streams}};
    return nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, entries, max_streams > 0 ? 2 : 1) == 0 &&
           nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW) == 0;
}

nghttp2_session *
vmx_mock_session_new(vmx_mock_connection *connection)
{
    nghttp2_session *session = NULL;
    nghttp2_session_callbacks *callbacks = make_callbacks();
    nghttp2_option *option = make_option();
    if (callbacks != NULL && option != NULL)
        nghttp2_session_server_new2(&session, callbacks, connection, option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    if (session != NULL && !submit_settings(session, connection->mock->options.max_streams)) {
        nghttp2_session_del(session);
        session = NULL;
    }
    return session;
}
