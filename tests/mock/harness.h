/*
 * tests/mock/harness.h: what the suites about the mock and over it share, beside tests/api/harness.h.
 */
#ifndef TESTS_MOCK_HARNESS_H
#define TESTS_MOCK_HARNESS_H

#include <vecmux/mock.h>

#include "api/harness.h"

#define UPSERT "/VectorService/Upsert"
#define QUERY  "/VectorService/Query"
#define UPDATE "/VectorService/Update"

/* An answer that is OK, with an empty message, which is a valid reply to every call. */
vmx_mock_answer
answer_ok(void);

vmx_mock_answer
answer_status(int grpc_code, const char *details);

vmx_mock_answer
answer_fault(vmx_mock_fault fault, vmx_mock_when when);

/* Plain text on a free port; everything is answered OK. */
vmx_mock *
start_mock(void);

/* The endpoint of a port of 127.0.0.1, in `text`, which is returned. */
const char *
endpoint_of(int port, char text[32]);

void
set_script(vmx_mock *mock, const char *method, const vmx_mock_answer *answers, size_t count);
void
set_default(vmx_mock *mock, const char *method, vmx_mock_answer answer);

vmx_mock_counters
counters_of(vmx_mock *mock);

/* Starts an update (not idempotent) of one record; must succeed. */
vmx_op *
start_update(vmx_index *index, const vmx_call_options *options);

/* Runs the tests, NULL-terminated; the program's exit status. */
int
run_suite(const char *name, const TTest *const tests[]);

#endif
