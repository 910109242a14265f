/*
 * The demo: 60,000 images go up, 2,000 queries come back. `scripts/demo.sh` starts a server and runs it.
 */
#include "demo.h"
#include "progress.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE       2
#define CLOSE_TIMEOUT_MS 10000
#define BATCH_BYTES      1900000 /* below the 2 MB that a Pinecone index takes in one upsert */

typedef struct demo_settings {
    const char *endpoint;
    const char *directory;
    const char *dump; /* file for the plain queries' neighbours, or NULL */
    size_t vectors;
    size_t queries;
} demo_settings;

static const struct option long_options[] = {{"endpoint", required_argument, NULL, 'e'},
                                             {"data", required_argument, NULL, 'd'},
                                             {"vectors", required_argument, NULL, 'v'},
                                             {"queries", required_argument, NULL, 'q'},
                                             {"dump-neighbours", required_argument, NULL, 'n'},
                                             {"help", no_argument, NULL, 'h'},
                                             {0}};

static void
print_usage(FILE *out)
{
    fputs("usage: vecmux-demo --endpoint HOST:PORT [--vectors N] [--queries N] [--data DIR] [--dump-neighbours FILE]\n"
          "\n"
          "Loads the Fashion-MNIST training images, queries with test images plain and filtered, reports.\n"
          "  --endpoint HOST:PORT    the server, for instance a vecmuxd that has nothing stored\n"
          "  --vectors N             how many images to load, at least 10 (default 60000)\n"
          "  --queries N             how many queries of each kind, up to 10000 (default 1000)\n"
          "  --data DIR              the IDX files (default /usr/share/datasets/fashion-mnist)\n"
          "  --dump-neighbours FILE  writes the plain queries' neighbours, a line of training rows for each\n",
          out);
}

static bool
parse_count(const char *text, size_t min, size_t max, size_t *count)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    *count = value;
    if (*text >= '0' && *text <= '9' && *end == '\0' && value >= min && value <= max)
        return true;
    fprintf(stderr, "demo: \"%s\" is not a count from %zu to %zu\n", text, min, max);
    return false;
}

/* -1 to go on, else the exit code. */
static int
parse_arguments(int argc, char **argv, demo_settings *settings)
{
    int option;
    while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        bool good = true;
        switch (option) {
        case 'e':
            settings->endpoint = optarg;
            break;
        case 'd':
            settings->directory = optarg;
            break;
        case 'v':
            good = parse_count(optarg, NEIGHBOURS, 60000, &settings->vectors);
            break;
        case 'q':
            good = parse_count(optarg, 1, 10000, &settings->queries);
            break;
        case 'n':
            settings->dump = optarg;
            break;
        case 'h':
            print_usage(stdout);
            return EXIT_SUCCESS;
        default:
            good = false;
        }
        if (!good)
            return EXIT_USAGE;
    }
    if (settings->endpoint && optind == argc)
        return -1;
    print_usage(stderr);
    return EXIT_USAGE;
}

static bool
read_data(const demo_settings *settings, demo_dataset *data)
{
    const char *directory = settings->directory;
    if (!idx_read(directory, "train-images-idx3-ubyte.gz", settings->vectors, &data->train) ||
        !idx_read(directory, "train-labels-idx1-ubyte.gz", settings->vectors, &data->train_labels) ||
        !idx_read(directory, "t10k-images-idx3-ubyte.gz", settings->queries, &data->test) ||
        !idx_read(directory, "t10k-labels-idx1-ubyte.gz", settings->queries, &data->test_labels))
        return false;
    if (data->train.count == data->train_labels.count && data->test.count == data->test_labels.count &&
        data->train.dimension == data->test.dimension && data->train.count > 0 && data->test.count > 0)
        return true;
    fprintf(stderr, "demo: the files of \"%s\" do not belong together\n", directory);
    return false;
}

static bool
open_session(const demo_settings *settings, demo_session *session)
{
    vmx_error error = {0};
    vmx_config *config = vmx_config_new();
    bool good = config && vmx_config_set(config, VMX_STR("endpoint"), VMX_STR(settings->endpoint), &error) == VMX_OK &&
                vmx_client_open(config, &session->client, &error) == VMX_OK &&
                vmx_index_open(session->client, VMX_STR(""), session->name_space, &session->index, &error) == VMX_OK &&
                vmx_queue_new(session->client, &session->queue, &error) == VMX_OK;
    vmx_config_free(config);
    if (!good)
        fprintf(stderr, "demo: %s\n", error.message);
    return good;
}

static bool
close_session(demo_session *session)
{
    vmx_error error;
    vmx_queue_free(session->queue);
    vmx_index_free(session->index);
    bool closed = !session->client || vmx_client_close(session->client, CLOSE_TIMEOUT_MS, &error) == VMX_OK;
    if (!closed)
        fprintf(stderr, "demo: close: %s\n", error.message);
    vmx_client_free(session->client);
    return closed;
}

/* How many records the namespace holds, by the server's own count. */
static bool
count_stored(const demo_session *session, uint64_t *stored)
{
    vmx_op *op = NULL;
    vmx_error error;
    if (vmx_index_stats(session->index, NULL, &op, &error) != VMX_OK) {
        fprintf(stderr, "demo: stats: %s\n", error.message);
        return false;
    }
    bool good = vmx_op_wait(op, VMX_FOREVER) == VMX_OK;
    if (!good)
        fprintf(stderr, "demo: stats: %s\n", vmx_op_error(op)->message);
    *stored = 0;
    for (size_t i = 0; i < vmx_op_namespace_count(op); i++) {
        vmx_str name = vmx_op_namespace_name(op, i);
        if (name.len == session->name_space.len && memcmp(name.ptr, session->name_space.ptr, name.len) == 0)
            *stored = vmx_op_namespace_vector_count(op, i);
    }
    vmx_op_free(op);
    return good;
}

static bool
dump_neighbours(const char *path, const search_result *result)
{
    FILE *file = fopen(path, "w");
    for (size_t i = 0; file && i < result->count * NEIGHBOURS; i++)
        fprintf(file, "%d%c", (int)result->neighbour[i], (i + 1) % NEIGHBOURS == 0 ? '\n' : ' ');
    if (file && fclose(file) == 0)
        return true;
    fprintf(stderr, "demo: cannot write \"%s\"\n", path);
    return false;
}

static bool
run(const demo_settings *settings, const demo_session *session, const demo_dataset *data)
{
    char a[32];
    search_result plain = {0}, filtered = {0};
    uint64_t stored = 0;
    printf("Loading %s Fashion-MNIST images of %zu pixels into %s\n", thousands(data->train.count, a),
           data->train.dimension, settings->endpoint);
    double load_s = load_run(session, data);
    bool good = load_s >= 0 && count_stored(session, &stored) &&
                search_run(session, data, data->test.count, false, &plain) &&
                search_run(session, data, data->test.count, true, &filtered) &&
                (!settings->dump || dump_neighbours(settings->dump, &plain)) &&
                report_print(data, load_s, &plain, &filtered, stored);
    search_free(&plain);
    search_free(&filtered);
    return good;
}

int
main(int argc, char **argv)
{
    demo_settings settings = {.directory = "/usr/share/datasets/fashion-mnist", .vectors = 60000, .queries = 1000};
    int usage = parse_arguments(argc, argv, &settings);
    if (usage >= 0)
        return usage;
    demo_dataset data = {0};
    demo_session session = {.name_space = VMX_STR("fashion-mnist"), .max_batch_bytes = BATCH_BYTES};
    bool good = read_data(&settings, &data) && open_session(&settings, &session) && run(&settings, &session, &data);
    good = close_session(&session) && good;
    idx_free(&data.train);
    idx_free(&data.train_labels);
    idx_free(&data.test);
    idx_free(&data.test_labels);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
