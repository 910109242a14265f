/*
 * mock/answer.h: a call's answer as HTTP/2 frames (gRPC over HTTP/2, PROTOCOL-HTTP2.md of grpc/grpc).
 */
#ifndef VMX_MOCK_ANSWER_H
#define VMX_MOCK_ANSWER_H

#include "mock/stream.h"

/* Hands the answer of stream->plan to nghttp2. */
void
vmx_mock_answer_submit(vmx_mock_stream *stream);

/* More of the request has come, or its end: what is echoed early goes on. */
void
vmx_mock_answer_go_on(vmx_mock_stream *stream);

#endif
