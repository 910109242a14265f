/*
 * rpc/pace.h: at most so many of something in a second. Any thread.
 */
#ifndef VMX_RPC_PACE_H
#define VMX_RPC_PACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct vmx_pace {
    _Atomic uint64_t next_us; /* when the next one would be due if they came evenly */
    uint64_t interval_us;     /* between two; UINT64_MAX: never */
    uint64_t burst_us;        /* how far they may run ahead */
} vmx_pace;

/* `per_second` 0: none is allowed. A second's worth may come at once. */
void
vmx_pace_init(vmx_pace *pace, uint32_t per_second);

/* True: this one may go. */
bool
vmx_pace_take(vmx_pace *pace, uint64_t now_us);

#endif
