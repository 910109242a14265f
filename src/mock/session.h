/*
 * mock/session.h: nghttp2's callbacks, turned into calls of mock/stream.h.
 */
#ifndef VMX_MOCK_SESSION_H
#define VMX_MOCK_SESSION_H

#include "mock/connection.h"

/* With our SETTINGS queued; NULL: memory is out. */
nghttp2_session *
vmx_mock_session_new(vmx_mock_connection *connection);

#endif
