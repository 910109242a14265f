/*
 * session.h: a client, an index and a queue, as the options want them.
 */
#ifndef BENCH_SESSION_H
#define BENCH_SESSION_H

#include <vecmux/vecmux.h>

#include "exporter/exporter.h"
#include "options.h"

typedef struct bench_session {
    vmx_client *client;
    vmx_index *index;
    vmx_queue *queue;
    metrics_exporter *exporter; /* NULL: nobody watches */
} bench_session;

/* Opens with `channels` connections, room for `in_flight` calls on each. False after one line on stderr; close it either
 * way. */
bool
bench_session_open(bench_session *session, const bench_options *options, size_t channels, size_t in_flight);

void
bench_session_close(bench_session *session);

#endif
