/*
 * tests/transport/fake_echo.h: the methods of echo_server.h behind the fake transport.
 */
#ifndef TESTS_TRANSPORT_FAKE_ECHO_H
#define TESTS_TRANSPORT_FAKE_ECHO_H

#include "transport/transport.h"

typedef struct fake_echo fake_echo;

fake_echo *
fake_echo_new(vmx_transport **transport);

/* After the transport's shutdown. NULL is allowed. */
void
fake_echo_free(fake_echo *server);

#endif
