/* What follows from the options: levels, batches, parts. */
#include <stdio.h>
#include <string.h>

#include "data.h"
#include "options.h"

#define PART_BYTES_DEFAULT   ((size_t)8 << 20)
#define VECTOR_FRAMING_BYTES 24 /* tags and lengths of a vector, its values and its metadata, at most */

/* In flight, but of `channels` connections; 0 ends a list. */
static const struct {
    const char *scenario;
    size_t levels[BENCH_MAX_LEVELS];
} default_levels[] = {
    {"upsert", {8}},
    {"load", {8}},
    {"latency", {1}},
    {"scale", {1, 10, 100, 1000, 10000}},
    {"channels", {1, 2, 4, 8, 16}},
    {"decode", {4}},
    {"upload", {4}},
    {"download", {4}},
    {NULL, {32}},
};

size_t
bench_options_levels(const bench_options *options, size_t levels[BENCH_MAX_LEVELS])
{
    const size_t *from = options->levels;
    if (options->level_count == 0) {
        size_t i = 0;
        while (default_levels[i].scenario && strcmp(default_levels[i].scenario, options->scenario) != 0)
            i++;
        from = default_levels[i].levels;
    }
    size_t count = 0;
    for (; count < BENCH_MAX_LEVELS && from[count] > 0; count++)
        levels[count] = from[count];
    return count;
}

static uint64_t
whole_rows(uint64_t bytes, uint64_t row_bytes)
{
    return (bytes + row_bytes - 1) / row_bytes * row_bytes;
}

size_t
bench_options_part_bytes(const bench_options *options, uint64_t part_bytes[BENCH_MAX_LEVELS])
{
    const bench_transfer *transfer = &options->transfer;
    uint64_t row = options->dimension * sizeof(float), all = bench_options_rows(options) * row;
    part_bytes[0] = whole_rows(transfer->part_bytes > 0 ? transfer->part_bytes : PART_BYTES_DEFAULT, row);
    for (size_t i = 0; i < transfer->part_level_count; i++)
        part_bytes[i] = whole_rows((all + transfer->parts[i] - 1) / transfer->parts[i], row);
    return transfer->part_level_count > 0 ? transfer->part_level_count : 1;
}

void
bench_options_key(const bench_options *options, char key[BENCH_KEY_BYTES])
{
    snprintf(key, BENCH_KEY_BYTES, "bench-download-%llux%zu-%s", (unsigned long long)bench_options_rows(options),
             options->dimension, options->transfer.sha256 ? "sha256" : "crc32c");
}

uint64_t
bench_options_rows(const bench_options *options)
{
    uint64_t rows = options->transfer.bytes / (options->dimension * sizeof(float));
    return rows > 0 ? rows : 1;
}

size_t
bench_options_vector_bytes(const bench_options *options)
{
    size_t metadata = options->payload > 0 ? options->payload + sizeof BENCH_PAYLOAD_FIELD + VECTOR_FRAMING_BYTES : 0;
    return 4 * options->dimension + BENCH_ID_BYTES + VECTOR_FRAMING_BYTES + metadata;
}

size_t
bench_options_batch(const bench_options *options)
{
    if (options->batch > 0)
        return options->batch;
    size_t fitting = options->batch_bytes / bench_options_vector_bytes(options);
    return fitting < 1 ? 1 : fitting > BENCH_MAX_BATCH ? BENCH_MAX_BATCH : fitting;
}
