#include "core/random.h"

#include <sys/random.h>

#include "core/sync.h"

/* splitmix64: spreads a seed over the state, which must not be all zero */
static uint64_t
spread(uint64_t *seed)
{
    uint64_t x = *seed += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

static uint64_t
rotate(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

void
vmx_random_seed(vmx_random *random, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        random->state[i] = spread(&seed);
}

void
vmx_random_seed_system(vmx_random *random)
{
    uint64_t seed;
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed)
        seed = vmx_monotonic_us() ^ (uint64_t)(uintptr_t)random; /* early in the machine's boot */
    vmx_random_seed(random, seed);
}

uint64_t
vmx_random_next(vmx_random *random)
{
    uint64_t *s = random->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t
vmx_random_up_to(vmx_random *random, uint64_t bound)
{
    if (bound == UINT64_MAX)
        return vmx_random_next(random);
    uint64_t range = bound + 1;
    uint64_t surplus = (UINT64_MAX % range + 1) % range; /* 2^64 mod range: numbers to drop, or low ones are favoured */
    uint64_t x;
    do {
        x = vmx_random_next(random);
    } while (x > UINT64_MAX - surplus);
    return x % range;
}

double
vmx_random_unit(vmx_random *random)
{
    return (double)(vmx_random_next(random) >> 11) * 0x1p-53;
}
