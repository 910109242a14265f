#include "portable.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double
clock_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* --- input --------------------------------------------------------------------------------------------------------- */

static bool
set_property(vmx_config *config, const char *text)
{
    vmx_error error;
    const char *equals = strchr(text, '=');
    if (equals == NULL) {
        fprintf(stderr, "portable: --set %s: write name=value\n", text);
        return false;
    }
    vmx_str name = {text, (size_t)(equals - text)};
    if (vmx_config_set(config, name, vmx_str_from(equals + 1), &error) == VMX_OK)
        return true;
    fprintf(stderr, "portable: %s\n", error.message);
    return false;
}

static bool
take_option(arguments *a, const char *option, const char *value)
{
    if (strcmp(option, "--set") == 0)
        return set_property(a->config, value);
    size_t *number = strcmp(option, "--vectors") == 0   ? &a->vectors
                     : strcmp(option, "--queries") == 0 ? &a->queries
                                                        : NULL;
    if (number != NULL && strtoul(value, NULL, 10) > 0) {
        *number = strtoul(value, NULL, 10);
        return true;
    }
    fprintf(stderr, "portable: unknown option or value: %s %s\n", option, value);
    return false;
}

bool
arguments_read(arguments *a, int argc, char **argv)
{
    *a = (arguments){.config = vmx_config_new(), .vectors = 60000, .queries = 100};
    bool good = a->config != NULL && argc >= 2 && argc % 2 == 0;
    if (!good)
        fprintf(stderr, "usage: vecmux-portable COLLECTION [--set name=value]... [--vectors N] [--queries N]\n");
    a->collection = good ? argv[1] : "";
    for (int i = 2; i < argc && good; i += 2)
        good = take_option(a, argv[i], argv[i + 1]);
    if (!good)
        vmx_config_free(a->config);
    return good;
}

bool
images_read(const char *directory, const char *part, size_t limit, images *i)
{
    char name[64];
    snprintf(name, sizeof name, "%s-images-idx3-ubyte.gz", part);
    if (!idx_read(directory, name, limit, &i->pixels))
        return false;
    snprintf(name, sizeof name, "%s-labels-idx1-ubyte.gz", part);
    if (!idx_read(directory, name, limit, &i->labels))
        return false;
    bool sound = i->pixels.dimension <= MAX_DIMENSION && i->labels.count == i->pixels.count;
    if (!sound)
        fprintf(stderr, "portable: the files of %s in %s do not belong together\n", part, directory);
    return sound;
}

void
images_free(images *i)
{
    idx_free(&i->pixels);
    idx_free(&i->labels);
}

/* --- the true answers ---------------------------------------------------------------------------------------------- */

bool
truth_init(truth *t, const images *train)
{
    *t = (truth){.train = train, .distances = malloc(train->pixels.count * sizeof *t->distances)};
    if (t->distances == NULL)
        fputs("portable: out of memory\n", stderr);
    return t->distances != NULL;
}

void
truth_free(truth *t)
{
    free(t->distances);
}

static uint32_t
squared_distance(const uint8_t *a, const uint8_t *b, size_t dimension)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < dimension; i++) {
        int32_t difference = a[i] - b[i];
        sum += (uint32_t)(difference * difference);
    }
    return sum;
}

/* Keeps the smallest NEIGHBOURS in order. */
static void
insert(uint32_t nearest[NEIGHBOURS], size_t *count, uint32_t distance)
{
    if (*count == NEIGHBOURS && nearest[NEIGHBOURS - 1] <= distance)
        return;
    *count += *count < NEIGHBOURS;
    size_t at = *count - 1;
    for (; at > 0 && nearest[at - 1] > distance; at--)
        nearest[at] = nearest[at - 1];
    nearest[at] = distance;
}

void
truth_find(truth *t, const images *test, size_t i)
{
    size_t dimension = t->train->pixels.dimension;
    unsigned label = test->labels.bytes[i] % LABELS;
    for (unsigned k = 0; k < LABELS; k++)
        t->admitted[k] = k == label || k == (label + 1) % LABELS;
    for (size_t filtered = 0; filtered < 2; filtered++) {
        uint32_t nearest[NEIGHBOURS] = {0};
        t->count[filtered] = 0;
        for (size_t row = 0; row < t->train->pixels.count; row++) {
            if (filtered == 0)
                t->distances[row] = squared_distance(t->train->pixels.bytes + row * dimension,
                                                     test->pixels.bytes + i * dimension, dimension);
            if (filtered == 0 || t->admitted[t->train->labels.bytes[row] % LABELS])
                insert(nearest, &t->count[filtered], t->distances[row]);
        }
        t->limit[filtered] = t->count[filtered] > 0 ? nearest[t->count[filtered] - 1] : 0;
    }
}

double
truth_recall(const truth *t, bool filtered, const size_t *rows, size_t row_count)
{
    size_t found = 0;
    for (size_t i = 0; i < row_count; i++) {
        bool known = rows[i] < t->train->pixels.count;
        if (!known || (filtered && !t->admitted[t->train->labels.bytes[rows[i]] % LABELS]))
            return -1;
        found += t->distances[rows[i]] <= t->limit[filtered];
    }
    return t->count[filtered] > 0 ? (double)found / (double)t->count[filtered] : 1;
}
