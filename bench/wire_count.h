/*
 * wire_count.h: the bytes that this process's TCP connections have carried.
 */
#ifndef BENCH_WIRE_COUNT_H
#define BENCH_WIRE_COUNT_H

#include <stdint.h>

/*
 * Of all connections that are open now, since each was opened, both ways: what TCP carried and the other side has
 * acknowledged, without the heads of its packets (RFC 4898, tcpEStatsAppHCThruOctetsAcked and -Received, as tcp(7) gives them).
 * 0 where the kernel does not tell.
 */
uint64_t
bench_wire_count(void);

#endif
