/*
 * transport/timer_heap.h: the armed timers of one loop, earliest first; those of the same moment in the order they were
 * armed. A pairing heap inside the timers themselves (Fredman, Sedgewick, Sleator, Tarjan 1986), so that arming a timer
 * cannot fail. Not thread safe.
 */
#ifndef VMX_TRANSPORT_TIMER_HEAP_H
#define VMX_TRANSPORT_TIMER_HEAP_H

#include "transport/transport.h"

/* Zero-initialised is empty. */
typedef struct vmx_timer_heap {
    vmx_timer *first; /* the earliest, or NULL */
    uint64_t armed;   /* how many were ever armed */
} vmx_timer_heap;

/* Arms an idle timer. */
void
vmx_timer_heap_add(vmx_timer_heap *heap, vmx_timer *timer, uint64_t due_us);

/* Disarms an armed timer. */
void
vmx_timer_heap_remove(vmx_timer_heap *heap, vmx_timer *timer);

#endif
