#include "http.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATH       "/metrics"
#define HEAD_SPACE 512

/* --- the request --------------------------------------------------------------------------------------------------- */

typedef enum verdict { GOOD, NO_BODY, BAD, NOT_FOUND, NOT_ALLOWED, TOO_LARGE, FAILED } verdict;

static const char *const status_lines[] = {
    [GOOD] = "200 OK",
    [NO_BODY] = "200 OK",
    [BAD] = "400 Bad Request",
    [NOT_FOUND] = "404 Not Found",
    [NOT_ALLOWED] = "405 Method Not Allowed",
    [TOO_LARGE] = "431 Request Header Fields Too Large",
    [FAILED] = "500 Internal Server Error",
};

/* A word of the request line and the blank behind it; NULL when there is none. */
static const char *
skip_word(const char *at, const char *end)
{
    const char *start = at;
    while (at<end && * at> ' ' && *at < 0x7f)
        at++;
    return at > start && at < end && *at == ' ' ? at + 1 : NULL;
}

static bool
is(const char *at, const char *end, const char *text)
{
    size_t len = strlen(text);
    return (size_t)(end - at) == len && memcmp(at, text, len) == 0;
}

/* Whether what stands behind the request line are fields: "name: value" on each line. */
static bool
are_fields(const char *at, const char *end)
{
    while (at < end) {
        const char *line_end = memmem(at, (size_t)(end - at), "\r\n", 2);
        if (!line_end)
            return false;
        const char *colon = memchr(at, ':', (size_t)(line_end - at));
        if (!colon || colon == at || *at <= ' ')
            return false;
        at = line_end + 2;
    }
    return true;
}

/* `head` ends behind its last field's line. */
static verdict
judge(const char *head, size_t len)
{
    const char *line_end = memmem(head, len, "\r\n", 2);
    if (!line_end || memchr(head, '\0', len))
        return BAD;
    const char *target = skip_word(head, line_end);
    const char *version = target ? skip_word(target, line_end) : NULL;
    if (!version || *target != '/' || !(is(version, line_end, "HTTP/1.1") || is(version, line_end, "HTTP/1.0")) ||
        !are_fields(line_end + 2, head + len))
        return BAD;
    const char *path_end = target + strcspn(target, "? ");
    if (!is(target, path_end, PATH))
        return NOT_FOUND;
    if (is(head, target, "HEAD "))
        return NO_BODY;
    return is(head, target, "GET ") ? GOOD : NOT_ALLOWED;
}

/* --- the answer ---------------------------------------------------------------------------------------------------- */

/* Head and body in one piece; false when memory is out. */
static bool
compose(metrics_http *connection, verdict what, const char *body, size_t body_len)
{
    const char *type = what == GOOD || what == NO_BODY ? "text/plain; version=0.0.4; charset=utf-8" : "text/plain";
    const char *allow = what == NOT_ALLOWED ? "Allow: GET, HEAD\r\n" : "";
    connection->answer = malloc(HEAD_SPACE + body_len);
    if (!connection->answer)
        return false;
    int len = snprintf(connection->answer, HEAD_SPACE,
                       "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%sConnection: close\r\n\r\n",
                       status_lines[what], type, body_len, allow);
    if (what != NO_BODY)
        memcpy(connection->answer + len, body, body_len);
    connection->answer_len = (size_t)len + (what != NO_BODY ? body_len : 0);
    return true;
}

static bool
answer(metrics_http *connection, verdict what, metrics_http_page page, void *user)
{
    char line[64];
    size_t len = 0;
    char *text = what == GOOD || what == NO_BODY ? page(user, &len) : NULL;
    if (text) {
        bool composed = compose(connection, what, text, len);
        free(text);
        return composed;
    }
    what = what == GOOD || what == NO_BODY ? FAILED : what;
    return compose(connection, what, line, (size_t)snprintf(line, sizeof line, "%s\n", status_lines[what]));
}

/* --- the connection ------------------------------------------------------------------------------------------------ */

void
metrics_http_begin(metrics_http *connection, int fd, int64_t now_ms)
{
    *connection = (metrics_http){.fd = fd, .until_ms = now_ms + METRICS_HTTP_TIMEOUT_MS};
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

void
metrics_http_end(metrics_http *connection)
{
    if (connection->fd >= 0)
        close(connection->fd);
    free(connection->answer);
    connection->answer = NULL;
    connection->fd = -1;
}

static bool
is_sending(const metrics_http *connection)
{
    return connection->answer && connection->sent < connection->answer_len;
}

short
metrics_http_wants(const metrics_http *connection)
{
    return is_sending(connection) ? POLLOUT : POLLIN;
}

static bool
is_passing(ssize_t done)
{
    return done < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

/* False when the client is gone, or memory is out. */
static bool
receive(metrics_http *connection, metrics_http_page page, void *user)
{
    size_t room = sizeof connection->head - connection->head_len;
    ssize_t got = recv(connection->fd, connection->head + connection->head_len, room, 0);
    if (got <= 0)
        return is_passing(got);
    connection->head_len += (size_t)got;
    const char *end = memmem(connection->head, connection->head_len, "\r\n\r\n", 4);
    if (end)
        return answer(connection, judge(connection->head, (size_t)(end - connection->head) + 2), page, user);
    return connection->head_len < sizeof connection->head || answer(connection, TOO_LARGE, page, user);
}

static bool
send_on(metrics_http *connection)
{
    ssize_t done = send(connection->fd, connection->answer + connection->sent,
                        connection->answer_len - connection->sent, MSG_NOSIGNAL);
    if (done < 0)
        return is_passing(done);
    connection->sent += (size_t)done;
    if (!is_sending(connection))
        shutdown(connection->fd, SHUT_WR);
    return true;
}

/* The answer is out. What the client still sends is read: a socket that is closed before would reset the connection, and
 * the answer with it. */
static bool
drain(const metrics_http *connection)
{
    char rest[4096];
    ssize_t got = recv(connection->fd, rest, sizeof rest, 0);
    return got > 0 || is_passing(got);
}

bool
metrics_http_go_on(metrics_http *connection, metrics_http_page page, void *user)
{
    bool goes_on = !connection->answer      ? receive(connection, page, user)
                   : is_sending(connection) ? send_on(connection)
                                            : drain(connection);
    if (!goes_on)
        metrics_http_end(connection);
    return goes_on;
}
