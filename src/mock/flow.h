/*
 * mock/flow.h: bytes on their way through the proxy in one direction. With the proxy's lock.
 */
#ifndef VMX_MOCK_FLOW_H
#define VMX_MOCK_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that came at one time. */
typedef struct vmx_mock_chunk {
    struct vmx_mock_chunk *next;
    uint64_t came_us;
    size_t len, at; /* read, forwarded */
    uint8_t data[];
} vmx_mock_chunk;

/* Zeroed memory is an empty flow. */
typedef struct vmx_mock_flow {
    vmx_mock_chunk *first, **last;
    size_t held;        /* bytes in chunks */
    uint64_t forwarded; /* in all */
    uint64_t cut_at;    /* of `forwarded`; 0: never */
    uint64_t flip_at;   /* likewise */
    uint64_t free_us;   /* throttled: when the bytes sent so far are paid for */
    bool blocked;       /* the socket takes no more for now */
} vmx_mock_flow;

typedef struct vmx_mock_flow_rules {
    bool stall;
    int64_t delay_ms;
    int64_t bytes_per_second; /* 0: no limit */
} vmx_mock_flow_rules;

typedef enum vmx_mock_flow_result {
    VMX_MOCK_FLOW_GOES_ON = 0,
    VMX_MOCK_FLOW_END = 1, /* FIN was read */
    VMX_MOCK_FLOW_CUT = 2, /* the cut has been reached */
    VMX_MOCK_FLOW_BROKEN = 3
} vmx_mock_flow_result;

/* Reads once from the socket. */
vmx_mock_flow_result
vmx_mock_flow_read(vmx_mock_flow *flow, int fd, uint64_t now_us);

/* Writes to the socket what may go by now. */
vmx_mock_flow_result
vmx_mock_flow_write(vmx_mock_flow *flow, const vmx_mock_flow_rules *rules, int fd, uint64_t now_us);

/* When more may go, unless the socket is what it waits for; VMX_NEVER: nothing waits for time. */
uint64_t
vmx_mock_flow_due(const vmx_mock_flow *flow, const vmx_mock_flow_rules *rules);

bool
vmx_mock_flow_has_room(const vmx_mock_flow *flow);
bool
vmx_mock_flow_is_empty(const vmx_mock_flow *flow);

/* The cut is so many bytes from now; 0: none. */
void
vmx_mock_flow_set_cut(vmx_mock_flow *flow, int64_t bytes);

/* The byte so many from now has a bit inverted; 0: none. */
void
vmx_mock_flow_set_flip(vmx_mock_flow *flow, int64_t bytes);

void
vmx_mock_flow_clear(vmx_mock_flow *flow);

#endif
