/*
 * stats/slot.h: a small number for each thread, so that counters can be kept apart without a lock.
 */
#ifndef VMX_STATS_SLOT_H
#define VMX_STATS_SLOT_H

#include <stddef.h>

/* Threads that count at the same time and each get a number of their own. */
#define VMX_SLOTS 64

/* What the threads beyond those have in common. */
#define VMX_SLOT_SHARED 0

/*
 * This thread's number, 1 to VMX_SLOTS, or VMX_SLOT_SHARED when all were taken at its first call. A number belongs to one
 * thread until that ends; what it wrote is visible to the thread that is given the number next. Any thread.
 */
size_t
vmx_slot_here(void);

#endif
