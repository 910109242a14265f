/*
 * tests/transport/suites.h: the suite's parts.
 */
#ifndef TESTS_TRANSPORT_SUITES_H
#define TESTS_TRANSPORT_SUITES_H

#include <check.h>

TCase *
contract_cases(void);
TCase *
grpc_cases(void);
TCase *
loop_cases(void);
TCase *
thread_cases(void);
TCase *
memory_cases(void);
TCase *
reach_cases(void);
TCase *
tls_cases(void);
TCase *
deadline_cases(void);
TCase *
received_cases(void);

#endif
