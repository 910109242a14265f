/*
 * core/random.h: a small random generator (xoshiro256**) for backoff and sampling; never for secrets. Not thread safe.
 */
#ifndef VMX_CORE_RANDOM_H
#define VMX_CORE_RANDOM_H

#include <stdint.h>

typedef struct vmx_random {
    uint64_t state[4];
} vmx_random;

/* The same seed gives the same numbers on every machine. */
void
vmx_random_seed(vmx_random *random, uint64_t seed);

/* Seeds from the system. */
void
vmx_random_seed_system(vmx_random *random);

uint64_t
vmx_random_next(vmx_random *random);

/* Uniform in [0, bound], both ends included. */
uint64_t
vmx_random_up_to(vmx_random *random, uint64_t bound);

/* Uniform in [0, 1). */
double
vmx_random_unit(vmx_random *random);

#endif
