/* Which seed a random schedule had that broke something, that crashed, or that does not end: said on standard error. */
#ifndef VMX_TESTS_RPC_SEED_H
#define VMX_TESTS_RPC_SEED_H

#include <stdint.h>

/* From now on crashes (sanitizers' reports among them) and schedules that take too long tell their seed, and end the
 * program. */
void
seed_watch(void);

/* The schedule of this seed begins. */
void
seed_begin(uint64_t seed);

/* Async-signal-safe. */
void
seed_tell(void);

#endif
