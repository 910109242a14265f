/*
 * mock/server.h: the server as its parts see it.
 */
#ifndef VMX_MOCK_SERVER_H
#define VMX_MOCK_SERVER_H

#include <openssl/ssl.h>
#include <vecmux/mock.h>

#include "mock/listener.h"
#include "mock/log.h"
#include "mock/loop.h"
#include "mock/plan.h"

typedef struct vmx_mock_connection vmx_mock_connection;

struct vmx_mock {
    vmx_mock_loop loop;         /* first; its lock guards all that changes */
    vmx_mock_listener listener; /* of this server, see vmx_mock_of_listener */
    vmx_mock_options options;   /* numbers and handler; the texts are gone */
    SSL_CTX *tls;               /* NULL: plain text */
    uint64_t started_us;
    vmx_mock_scripts scripts;
    vmx_mock_log log;
    vmx_mock_counters counters;
    vmx_mock_connection *connections;
    vmx_mock_call *waiting, **last_waiting; /* for the handler */
    size_t refs;                            /* the owner's, and one for each call of the handler that is not answered */
};

/* Microseconds since the server's start. */
int64_t
vmx_mock_now_us(const vmx_mock *mock);

#endif
