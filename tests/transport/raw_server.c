#include "transport/raw_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/sync.h"

enum { MAX_CONNECTIONS = 64, FRAME_HEADER = 9, MAX_FRAME = 1 << 14, PREFACE = 24 };
enum { FRAME_DATA = 0, FRAME_HEADERS = 1, FRAME_RST_STREAM = 3, FRAME_SETTINGS = 4, FRAME_PING = 6, FRAME_GOAWAY = 7 };
enum { FRAME_WINDOW_UPDATE = 8, FLAG_ACK = 1, FLAG_END_STREAM = 1, FLAG_END_HEADERS = 4 };

struct raw_server {
    raw_behaviour behaviour;
    int listener;
    int port;
    atomic_bool stopping;
    atomic_size_t accepted;
    pthread_t thread;
    pthread_t workers[MAX_CONNECTIONS];
};

typedef struct connection {
    raw_server *server;
    int fd;
} connection;

/* --- bytes -------------------------------------------------------------------------------------------------------- */

/* Waits for bytes, but not past the server's stop. */
static bool
wait_readable(const raw_server *server, int fd)
{
    while (!atomic_load(&server->stopping)) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        if (poll(&poll_fd, 1, 20) > 0)
            return true;
    }
    return false;
}

static bool
read_all(const connection *c, uint8_t *out, size_t len)
{
    while (len > 0) {
        ssize_t got = wait_readable(c->server, c->fd) ? recv(c->fd, out, len, 0) : 0;
        if (got <= 0)
            return false;
        out += got;
        len -= (size_t)got;
    }
    return true;
}

static void
put32(uint8_t *out, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void
write_frame(const connection *c, uint8_t type, uint8_t flags, uint32_t stream, const void *payload, size_t len)
{
    uint8_t frame[FRAME_HEADER + 256];
    put32(frame, (uint32_t)len << 8);
    frame[3] = type;
    frame[4] = flags;
    put32(frame + 5, stream);
    if (len > 0)
        memcpy(frame + FRAME_HEADER, payload, len);
    if (send(c->fd, frame, FRAME_HEADER + len, MSG_NOSIGNAL) < 0)
        return;
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static void
reset(const connection *c, uint32_t stream, uint32_t code)
{
    uint8_t payload[4];
    put32(payload, code);
    write_frame(c, FRAME_RST_STREAM, 0, stream, payload, sizeof payload);
}

static void
go_away(const connection *c, uint32_t last)
{
    uint8_t payload[8];
    put32(payload, last);
    put32(payload + 4, 0);
    write_frame(c, FRAME_GOAWAY, 0, 0, payload, sizeof payload);
}

/* HPACK (RFC 7541): a literal without indexing, both texts without Huffman coding. */
static size_t
literal(uint8_t *out, const char *name, const char *value)
{
    size_t at = 0;
    out[at++] = 0;
    const char *texts[] = {name, value};
    for (int i = 0; i < 2; i++) {
        size_t len = strlen(texts[i]);
        out[at++] = (uint8_t)len;
        memcpy(out + at, texts[i], len);
        at += len;
    }
    return at;
}

static void
respond(const connection *c, uint32_t stream, const char *http_status, const char *message, bool end)
{
    uint8_t block[256];
    size_t len = literal(block, ":status", http_status);
    len += literal(block + len, "content-type", end && message == NULL ? "text/html" : "application/grpc");
    if (message != NULL) {
        len += literal(block + len, "grpc-status", "14");
        len += literal(block + len, "grpc-message", message);
    }
    write_frame(c, FRAME_HEADERS, (uint8_t)(FLAG_END_HEADERS | (end ? FLAG_END_STREAM : 0)), stream, block, len);
}

/* False: the connection is to be closed. */
static bool
answer(const connection *c, uint32_t stream)
{
    switch (c->server->behaviour) {
    case RAW_REFUSE_STREAM:
        reset(c, stream, 7);
        return true;
    case RAW_RESET_INTERNAL:
        reset(c, stream, 2);
        return true;
    case RAW_RESET_CANCEL:
        reset(c, stream, 8);
        return true;
    case RAW_GOAWAY_BELOW:
        go_away(c, 0);
        return true;
    case RAW_GOAWAY_ABOVE:
        go_away(c, stream);
        return false;
    case RAW_STATUS:
        respond(c, stream, "200", "busy", true);
        return true;
    case RAW_STATUS_SPOOF:
        respond(c, stream, "200", "Socket closed", true);
        return true;
    case RAW_HTTP_503:
        respond(c, stream, "503", NULL, true);
        return true;
    case RAW_HEADERS_CLOSE:
        respond(c, stream, "200", NULL, false);
        usleep(20000);
        return false;
    case RAW_CLOSE:
        return false;
    default:
        return true;
    }
}

/* --- connections -------------------------------------------------------------------------------------------------- */

static bool
handle_frame(const connection *c)
{
    static _Thread_local uint8_t payload[MAX_FRAME];
    uint8_t header[FRAME_HEADER];
    if (!read_all(c, header, sizeof header))
        return false;
    size_t len = (size_t)header[0] << 16 | (size_t)header[1] << 8 | header[2];
    uint32_t stream = (uint32_t)header[5] << 24 | (uint32_t)header[6] << 16 | (uint32_t)header[7] << 8 | header[8];
    if (len > sizeof payload || !read_all(c, payload, len))
        return false;
    if (header[3] == FRAME_SETTINGS && !(header[4] & FLAG_ACK))
        write_frame(c, FRAME_SETTINGS, FLAG_ACK, 0, NULL, 0);
    if (header[3] == FRAME_PING && !(header[4] & FLAG_ACK))
        write_frame(c, FRAME_PING, FLAG_ACK, 0, payload, len);
    return header[3] != FRAME_HEADERS || answer(c, stream);
}

/* Settings with an initial window of 2^30 per stream, and as much for the connection. */
static void
greet(const connection *c)
{
    uint8_t settings[6] = {0, 4};
    put32(settings + 2, 1u << 30);
    write_frame(c, FRAME_SETTINGS, 0, 0, settings, sizeof settings);
    uint8_t window[4];
    put32(window, 1u << 30);
    write_frame(c, FRAME_WINDOW_UPDATE, 0, 0, window, sizeof window);
}

static void
idle(const connection *c)
{
    while (!atomic_load(&c->server->stopping))
        usleep(20000);
}

static void *
serve_connection(void *arg)
{
    connection *c = arg;
    uint8_t preface[PREFACE];
    raw_behaviour behaviour = c->server->behaviour;
    if (behaviour == RAW_ACCEPT_ONLY) {
        idle(c);
    } else if (read_all(c, preface, sizeof preface)) {
        greet(c);
        if (behaviour == RAW_STOP_READING) {
            handle_frame(c); /* the client's settings */
            idle(c);
        }
        while (behaviour != RAW_CLOSE_AT_ONCE && handle_frame(c))
            ;
    }
    close(c->fd);
    free(c);
    return NULL;
}

static void *
serve(void *arg)
{
    raw_server *server = arg;
    size_t count = 0;
    while (count < MAX_CONNECTIONS && wait_readable(server, server->listener)) {
        int fd = accept(server->listener, NULL, NULL);
        if (fd < 0)
            continue;
        connection *c = malloc(sizeof *c);
        *c = (connection){server, fd};
        if (!vmx_thread_start(&server->workers[count++], "raw-connection", serve_connection, c))
            abort();
        atomic_fetch_add(&server->accepted, 1);
    }
    for (size_t i = 0; i < count; i++)
        pthread_join(server->workers[i], NULL);
    return NULL;
}

static int
listen_somewhere(int *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int small = 4096; /* so that a peer that stops reading is felt soon */
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small) != 0 ||
        bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 64) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        abort();
    *port = ntohs(address.sin_port);
    return fd;
}

raw_server *
raw_server_start(raw_behaviour behaviour)
{
    raw_server *server = calloc(1, sizeof *server);
    server->behaviour = behaviour;
    server->listener = listen_somewhere(&server->port);
    if (!vmx_thread_start(&server->thread, "raw-server", serve, server))
        abort();
    return server;
}

int
raw_server_port(const raw_server *server)
{
    return server->port;
}

size_t
raw_server_accepted(const raw_server *server)
{
    return atomic_load(&server->accepted);
}

void
raw_server_stop(raw_server *server)
{
    atomic_store(&server->stopping, true);
    pthread_join(server->thread, NULL);
    close(server->listener);
    free(server);
}

int
raw_refused_port(void)
{
    int port;
    close(listen_somewhere(&port));
    return port;
}
