#include "transport/fake_echo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/fake/fake_transport.h"

enum { DELAY_US = 200, MAX_STREAMS = 1024, MAX_BACK = 32, DEAF_MESSAGES = 4 };

typedef struct served {
    vmx_stream *stream;
    const char *method;
    size_t bytes;
    size_t received;
    char text[256];
    vmx_header back[2 * MAX_BACK];
    size_t back_count;
    char storage[4096];
    size_t used;
} served;

struct fake_echo {
    served streams[MAX_STREAMS];
};

static served *
find(fake_echo *server, const vmx_stream *stream)
{
    for (size_t i = 0; i < MAX_STREAMS; i++) {
        if (server->streams[i].stream == stream)
            return &server->streams[i];
    }
    abort();
}

static vmx_str
keep(served *s, vmx_str text)
{
    if (s->used + text.len > sizeof s->storage)
        abort();
    char *copy = s->storage + s->used;
    memcpy(copy, text.ptr, text.len);
    s->used += text.len;
    return (vmx_str){copy, text.len};
}

static long
number(const vmx_stream_options *options, const char *key, char *text, size_t size)
{
    text[0] = '\0';
    for (size_t i = 0; i < options->header_count; i++) {
        const vmx_header *header = &options->headers[i];
        if (header->key.len == strlen(key) && memcmp(header->key.ptr, key, header->key.len) == 0)
            snprintf(text, size, "%.*s", (int)header->value.len, header->value.ptr);
    }
    return strtol(text, NULL, 10);
}

static void
finish(served *s, int code, const char *text, vmx_message *message)
{
    for (size_t i = 0; i < s->back_count; i++)
        s->back[s->back_count + i] = s->back[i];
    vmx_fake_end(s->stream, DELAY_US,
                 &(vmx_reply){.grpc_code = code,
                              .reach = VMX_REACH_SERVER,
                              .text = vmx_str_from(text),
                              .headers = s->back,
                              .header_count = 2 * s->back_count,
                              .initial_count = s->back_count},
                 message);
}

static vmx_message *
copy(vmx_message *to, const vmx_message *from)
{
    uint8_t *data;
    vmx_block *block = vmx_block_new(from->size_bytes, &data);
    size_t at = 0;
    for (size_t i = 0; i < from->count; i++) {
        memcpy(data + at, from->slices[i].data, from->slices[i].len);
        at += from->slices[i].len;
    }
    vmx_message_init_one(to, block, data, at);
    return to;
}

static void
started(void *user, vmx_stream *stream, const vmx_stream_options *options)
{
    fake_echo *server = user;
    served *s = NULL; /* a stream's memory may have served another one before */
    for (size_t i = 0; i < MAX_STREAMS && (s == NULL || s->stream != stream); i++) {
        if (server->streams[i].stream == stream || (s == NULL && server->streams[i].stream == NULL))
            s = &server->streams[i];
    }
    if (s == NULL)
        abort();
    memset(s, 0, sizeof *s);
    s->stream = stream;
    s->method = options->method;
    for (size_t i = 0; i < options->header_count && s->back_count < MAX_BACK; i++) {
        const vmx_header *header = &options->headers[i];
        if (header->key.len > 2 && memcmp(header->key.ptr, "x-", 2) == 0)
            s->back[s->back_count++] = (vmx_header){keep(s, header->key), keep(s, header->value)};
    }
    vmx_message message;
    char text[256];
    if (strcmp(s->method, "/test/Echo") == 0) {
        finish(s, 0, "", copy(&message, vmx_fake_request(stream)));
    } else if (strcmp(s->method, "/test/Status") == 0) {
        number(options, "text", s->text, sizeof s->text);
        finish(s, (int)number(options, "code", text, sizeof text), s->text, NULL);
    } else if (strcmp(s->method, "/test/Source") == 0) {
        long count = number(options, "count", text, sizeof text);
        long size = number(options, "size", text, sizeof text);
        for (long i = 0; i < count; i++) {
            uint8_t *data;
            vmx_block *block = vmx_block_new((size_t)size, &data);
            memset(data, 0, (size_t)size);
            data[0] = (uint8_t)i;
            data[1] = (uint8_t)(i >> 8);
            vmx_message_init_one(&message, block, data, (size_t)size);
            vmx_fake_message(stream, DELAY_US, &message);
        }
        finish(s, 0, "", NULL);
    } else if (strncmp(s->method, "/test/S", 7) != 0 && strcmp(s->method, "/test/Deaf") != 0) {
        finish(s, VMX_GRPC_UNIMPLEMENTED, "", NULL);
    }
}

static bool
received(void *user, vmx_stream *stream, const vmx_message *message, bool last)
{
    served *s = find(user, stream);
    vmx_message reply;
    if (strcmp(s->method, "/test/Deaf") == 0)
        return ++s->received < DEAF_MESSAGES;
    if (message != NULL)
        s->bytes += message->size_bytes;
    if (message != NULL && strcmp(s->method, "/test/Stream") == 0)
        vmx_fake_message(stream, DELAY_US, copy(&reply, message));
    if (!last)
        return true;
    if (strcmp(s->method, "/test/Sink") == 0) {
        uint8_t *data;
        vmx_block *block = vmx_block_new(32, &data);
        int len = snprintf((char *)data, 32, "%zu", s->bytes);
        vmx_message_init_one(&reply, block, data, (size_t)len);
        vmx_fake_message(stream, DELAY_US, &reply);
    }
    if (strcmp(s->method, "/test/Source") != 0)
        finish(s, 0, "", NULL);
    return true;
}

fake_echo *
fake_echo_new(vmx_transport **transport)
{
    fake_echo *server = calloc(1, sizeof *server);
    vmx_fake_server callbacks = {.started = started, .received = received, .user = server};
    if (vmx_fake_transport_new(1, &callbacks, transport, NULL) != VMX_OK)
        abort();
    return server;
}

void
fake_echo_free(fake_echo *server)
{
    free(server);
}
