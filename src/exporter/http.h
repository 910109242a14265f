/*
 * http.h: as much of an HTTP/1.1 server as a scrape needs: one request a connection, GET or HEAD of one page, then the end
 * (RFC 9112). Nothing blocks; sizes and times are bounded. For exporter.c's thread.
 */
#ifndef VMX_EXPORTER_HTTP_H
#define VMX_EXPORTER_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define METRICS_HTTP_REQUEST_MAX 8192 /* bytes of a request's head; more is answered 431 */
#define METRICS_HTTP_TIMEOUT_MS  5000 /* from accept to the end, of the slowest client */

/* The text of the page, for free; NULL when it cannot be made, which is answered 500. */
typedef char *(*metrics_http_page)(void *user, size_t *len);

/* A connection; zeroed with fd -1 it is unused. */
typedef struct metrics_http {
    int fd;
    int64_t until_ms; /* of CLOCK_MONOTONIC: cut off then */
    char head[METRICS_HTTP_REQUEST_MAX];
    size_t head_len;
    char *answer; /* NULL: the request is still coming */
    size_t answer_len, sent;
} metrics_http;

/* Takes over a socket, which is made non-blocking. */
void
metrics_http_begin(metrics_http *connection, int fd, int64_t now_ms);

/* What to poll its socket for: POLLIN or POLLOUT. */
short
metrics_http_wants(const metrics_http *connection);

/* Its socket is ready: goes on. False: it has ended, and is closed. */
bool
metrics_http_go_on(metrics_http *connection, metrics_http_page page, void *user);

void
metrics_http_end(metrics_http *connection);

#endif
