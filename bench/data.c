#include "data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define THETA 0.99

uint64_t
bench_random_next(bench_random *random)
{
    uint64_t z = *random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

double
bench_random_unit(bench_random *random)
{
    return (double)(bench_random_next(random) >> 11) * 0x1.0p-53;
}

float *
bench_random_floats(bench_random *random, size_t count)
{
    float *floats = malloc(count * sizeof *floats);
    for (size_t i = 0; floats && i < count; i++)
        floats[i] = (float)(2 * bench_random_unit(random) - 1);
    return floats;
}

#define ID_PREFIX_BYTES 5 /* "item-" */

void
bench_id_write(char *text, size_t n)
{
    static const char zero[BENCH_ID_BYTES + 1] = "item-000000000000";
    memcpy(text, zero, sizeof zero);
    for (size_t i = BENCH_ID_BYTES; n > 0 && i > ID_PREFIX_BYTES; n /= 10)
        text[--i] = (char)('0' + n % 10);
}

void
bench_id_next(char *text)
{
    size_t i = BENCH_ID_BYTES - 1;
    for (; text[i] == '9' && i > ID_PREFIX_BYTES; i--)
        text[i] = '0';
    text[i]++;
}

double
bench_sum(const float *values, size_t count)
{
    enum { LANES = 16 };
    float lanes[LANES] = {0}, sum = 0;
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            lanes[lane] += values[i + lane];
    for (; i < count; i++)
        sum += values[i];
    for (size_t lane = 0; lane < LANES; lane++)
        sum += lanes[lane];
    return (double)sum;
}

char *
bench_payload_new(size_t payload)
{
    char *text = malloc(payload + 1);
    if (!text)
        return NULL;
    for (size_t i = 0; i < payload; i++)
        text[i] = (char)('a' + i % 26);
    text[payload] = '\0';
    return text;
}

static double
zeta(size_t count)
{
    double sum = 0;
    for (size_t i = 1; i <= count; i++)
        sum += pow((double)i, -THETA);
    return sum;
}

void
bench_popularity_init(bench_popularity *popularity, size_t count, bool zipfian)
{
    *popularity = (bench_popularity){.zipfian = zipfian && count > 2, .count = count};
    if (!popularity->zipfian)
        return;
    popularity->zeta = zeta(count);
    popularity->alpha = 1 / (1 - THETA);
    popularity->eta = (1 - pow(2 / (double)count, 1 - THETA)) / (1 - zeta(2) / popularity->zeta);
}

size_t
bench_popularity_next(const bench_popularity *popularity, bench_random *random)
{
    double unit = bench_random_unit(random);
    double count = (double)popularity->count;
    if (!popularity->zipfian)
        return (size_t)(unit * count);
    double scaled = unit * popularity->zeta;
    if (scaled < 1)
        return 0;
    if (scaled < 1 + pow(0.5, THETA))
        return 1;
    size_t n = (size_t)(count * pow(popularity->eta * unit - popularity->eta + 1, popularity->alpha));
    return n < popularity->count ? n : popularity->count - 1;
}
