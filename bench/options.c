#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data.h"

#define EXIT_USAGE         2
#define MAX_IN_FLIGHT      100000
#define MAX_DIMENSION      20000
#define MAX_SECONDS        86400
#define MIN_SECONDS        0.01
#define MAX_RATE           1e7
#define MAX_WEIGHT         1000000
#define MAX_TRANSFER_BYTES ((size_t)1 << 46)

enum {
    ENDPOINT = 256,
    TLS_CA,
    API_KEY,
    IN_FLIGHT,
    DIMENSION,
    TOP_K,
    BATCH,
    BATCH_BYTES,
    VECTORS,
    PAYLOAD,
    LEND,
    SEND,
    WITH_VALUES,
    WITH_METADATA,
    SEED,
    SECONDS,
    WARM_UP,
    RATE,
    DRIVEN,
    CHANNELS,
    PROCESSES,
    WEIGHTS,
    IDS,
    ID_COUNT,
    BYTES,
    PARTS,
    PART_BYTES,
    DIGEST,
    SOURCE,
    DELETED,
    GRAPH_ONLY,
    OUT,
    JSON,
    SET,
    METRICS_LISTEN,
    METRICS_FILE,
    HELP
};

static const struct option long_options[] = {
    {"endpoint", required_argument, NULL, ENDPOINT},
    {"tls-ca", required_argument, NULL, TLS_CA},
    {"api-key", required_argument, NULL, API_KEY},
    {"in-flight", required_argument, NULL, IN_FLIGHT},
    {"dimension", required_argument, NULL, DIMENSION},
    {"top-k", required_argument, NULL, TOP_K},
    {"batch", required_argument, NULL, BATCH},
    {"batch-bytes", required_argument, NULL, BATCH_BYTES},
    {"vectors", required_argument, NULL, VECTORS},
    {"payload", required_argument, NULL, PAYLOAD},
    {"lend", no_argument, NULL, LEND},
    {"send", required_argument, NULL, SEND},
    {"with-values", no_argument, NULL, WITH_VALUES},
    {"with-metadata", no_argument, NULL, WITH_METADATA},
    {"seed", required_argument, NULL, SEED},
    {"seconds", required_argument, NULL, SECONDS},
    {"warm-up", required_argument, NULL, WARM_UP},
    {"rate", required_argument, NULL, RATE},
    {"driven", no_argument, NULL, DRIVEN},
    {"channels", required_argument, NULL, CHANNELS},
    {"processes", required_argument, NULL, PROCESSES},
    {"weights", required_argument, NULL, WEIGHTS},
    {"ids", required_argument, NULL, IDS},
    {"id-count", required_argument, NULL, ID_COUNT},
    {"bytes", required_argument, NULL, BYTES},
    {"parts", required_argument, NULL, PARTS},
    {"part-bytes", required_argument, NULL, PART_BYTES},
    {"digest", required_argument, NULL, DIGEST},
    {"source", required_argument, NULL, SOURCE},
    {"deleted", required_argument, NULL, DELETED},
    {"graph-only", no_argument, NULL, GRAPH_ONLY},
    {"out", required_argument, NULL, OUT},
    {"json", no_argument, NULL, JSON},
    {"set", required_argument, NULL, SET},
    {"metrics-listen", required_argument, NULL, METRICS_LISTEN},
    {"metrics-file", required_argument, NULL, METRICS_FILE},
    {"help", no_argument, NULL, HELP},
    {NULL, 0, NULL, 0},
};

static const char help[] =
    "\n"
    "  --endpoint HOST:PORT   the server                                        (127.0.0.1:5081)\n"
    "  --tls-ca FILE          speak TLS, and trust this PEM file                (plain text)\n"
    "  --api-key KEY          sent with every call                              (none)\n"
    "  --in-flight N[,N...]   calls in flight, one row each; of the scenario channels: connections\n"
    "  --dimension N          of the vectors                                    (768)\n"
    "  --top-k N              matches asked for                                 (10)\n"
    "  --with-values, --with-metadata   queries ask for those of the matches\n"
    "  --batch N              vectors of an upsert                              (as many as --batch-bytes)\n"
    "  --batch-bytes N        encoded bytes of an upsert, at most               (1900000)\n"
    "  --vectors N            load: how many in all                             (for --seconds)\n"
    "  --payload N            bytes of text in each vector's metadata           (0: no metadata)\n"
    "  --lend                 upsert, load: the values are lent, not copied\n"
    "  --send ready|pieces|checked|copied   upsert, load of raw_core: ready messages, two pieces a vector,\n"
    "                         the same after a look for NaN, or values that are looked at and copied   (ready)\n"
    "  --seconds S            of each measurement                               (3)\n"
    "  --warm-up S            before each measurement                           (1)\n"
    "  --rate R               open loop: operations/s, latency from the intended start   (closed loop)\n"
    "                         load: vectors/s, paced by the writer\n"
    "  --driven               no thread of vecmux's: io.threads=0               (one in the background)\n"
    "  --channels N           connections                                       (1)\n"
    "  --processes N          as many processes, their numbers added up         (1)\n"
    "  --weights U,Q,F,D      mixed: shares of upsert, query, fetch, delete     (10,70,15,5)\n"
    "  --ids zipfian|uniform  mixed: how often each id is used                  (zipfian)\n"
    "  --id-count N           mixed, upsert: how many ids there are             (10000)\n"
    "  --bytes N              upload, download: of the vectors; k, m, g are understood   (1g)\n"
    "  --parts N[,N...]       ... into how many parts they are cut, one row each; --in-flight says how many at a time\n"
    "  --part-bytes N         ... or how large a part is                        (8m)\n"
    "  --digest crc32c|sha256 ... of parts                                      (crc32c)\n"
    "  --source reader|iterator|memory|walking   upload: where vectors come from          (reader)\n"
    "                         made in any order, made in order, lent; walking: made in order, and each part\n"
    "                         walks from the first document to its own\n"
    "  --deleted PERCENT      upload: documents beside them that are deleted    (0)\n"
    "  --graph-only           download: without the vectors, which are put back\n"
    "  --out FILE             download: where to                                (a file in TMPDIR, removed)\n"
    "  --seed N               of all that is random                             (1)\n"
    "  --set NAME=VALUE       a property of vecmux's (docs/CONFIGURATION.md); many times\n"
    "  --metrics-listen ADDRESS:PORT   vecmux's statistics for Prometheus, while each measurement runs "
    "(docs/metrics.md)\n"
    "  --metrics-file FILE    ... in a file                                     (none)\n"
    "  --json                 for machines\n"
    "  --help\n";

static bool
refuse(const char *option, const char *value, const char *remedy)
{
    if (value)
        fprintf(stderr, "bench: %s \"%s\": %s\n", option, value, remedy);
    else
        fprintf(stderr, "bench: %s: %s\n", option, remedy);
    return false;
}

static bool
read_count(const char *option, const char *text, size_t min, size_t max, size_t *count)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    *count = value;
    if (*text >= '0' && *text <= '9' && *end == '\0' && errno == 0 && value >= min && value <= max)
        return true;
    char remedy[80];
    snprintf(remedy, sizeof remedy, "must be a number from %zu to %zu", min, max);
    return refuse(option, text, remedy);
}

static bool
read_real(const char *option, const char *text, double min, double max, double *value)
{
    char *end;
    *value = strtod(text, &end);
    if (end != text && *end == '\0' && *value >= min && *value <= max)
        return true;
    char remedy[80];
    snprintf(remedy, sizeof remedy, "must be a number from %g to %g", min, max);
    return refuse(option, text, remedy);
}

static bool
read_levels(const char *option, char *text, size_t levels[BENCH_MAX_LEVELS], size_t *count)
{
    *count = 0;
    for (char *item = strtok(text, ","); item; item = strtok(NULL, ",")) {
        if (*count == BENCH_MAX_LEVELS)
            return refuse(option, item, "too many numbers");
        if (!read_count(option, item, 1, MAX_IN_FLIGHT, &levels[(*count)++]))
            return false;
    }
    return *count > 0 || refuse(option, text, "must be numbers with commas between them");
}

/* A number of bytes that may end in k, m or g. */
static bool
read_bytes(const char *option, char *text, size_t min, size_t *bytes)
{
    static const char units[] = "kmg";
    size_t len = strlen(text);
    const char *unit = len > 1 ? strchr(units, text[len - 1]) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
    if (unit)
        text[len - 1] = '\0';
    bool good = read_count(option, text, shift ? 1 : min, MAX_TRANSFER_BYTES >> shift, bytes);
    *bytes <<= shift;
    return good;
}

static bool
read_digest(bench_transfer *transfer, const char *text)
{
    transfer->sha256 = strcmp(text, "sha256") == 0;
    return transfer->sha256 || strcmp(text, "crc32c") == 0 || refuse("--digest", text, "must be crc32c or sha256");
}

static const char *const row_kinds[] = {"reader", "iterator", "memory", "walking"}; /* by bench_rows_kind */

const char *
bench_rows_kind_name(bench_rows_kind kind)
{
    return row_kinds[kind];
}

static bool
read_rows_kind(bench_transfer *transfer, const char *text)
{
    for (size_t i = 0; i < sizeof row_kinds / sizeof row_kinds[0]; i++)
        if (strcmp(row_kinds[i], text) == 0) {
            transfer->rows = (bench_rows_kind)i;
            return true;
        }
    return refuse("--source", text, "must be reader, iterator, memory or walking");
}

/* The options of transfers; false also for any other. */
static bool
read_transfer_option(bench_transfer *transfer, int option, char *value)
{
    switch (option) {
    case BYTES:
        return read_bytes("--bytes", value, 1 << 20, &transfer->bytes);
    case PARTS:
        return read_levels("--parts", value, transfer->parts, &transfer->part_level_count);
    case PART_BYTES:
        return read_bytes("--part-bytes", value, 4096, &transfer->part_bytes);
    case DIGEST:
        return read_digest(transfer, value);
    case SOURCE:
        return read_rows_kind(transfer, value);
    case DELETED:
        return read_count("--deleted", value, 0, 99, &transfer->deleted_percent);
    case GRAPH_ONLY:
        return transfer->graph_only = true;
    case OUT:
        transfer->out = value;
        return true;
    default:
        return false; /* getopt has told what is wrong */
    }
}

static bool
read_weights(bench_weights *weights, const char *text)
{
    unsigned *const shares[] = {&weights->upsert, &weights->query, &weights->fetch, &weights->del};
    const char *at = text;
    size_t count = 0, total = 0;
    while (count < 4 && *at >= '0' && *at <= '9') {
        char *end;
        unsigned long share = strtoul(at, &end, 10);
        if (share > MAX_WEIGHT || *end != (count < 3 ? ',' : '\0'))
            break;
        *shares[count++] = (unsigned)share;
        total += share;
        at = end + 1;
    }
    return (count == 4 && total > 0) || refuse("--weights", text, "must be four numbers, not all 0, as 10,70,15,5");
}

static bool
read_ids(bench_options *options, const char *text)
{
    options->zipfian = strcmp(text, "zipfian") == 0;
    return options->zipfian || strcmp(text, "uniform") == 0 || refuse("--ids", text, "must be zipfian or uniform");
}

static bool
read_setting(bench_options *options, const char *text)
{
    if (!strchr(text, '=') || options->setting_count == BENCH_MAX_SETTINGS)
        return refuse("--set", text, "must be name=value, at most 32 times");
    options->settings[options->setting_count++] = text;
    return true;
}

/* The options that are numbers. */
static bool
read_number_option(bench_options *options, int option, char *value)
{
    size_t number = 0;
    bool good;
    switch (option) {
    case DIMENSION:
        return read_count("--dimension", value, 1, MAX_DIMENSION, &options->dimension);
    case TOP_K:
        good = read_count("--top-k", value, 1, 10000, &number);
        options->top_k = (uint32_t)number;
        return good;
    case BATCH:
        return read_count("--batch", value, 1, 100000, &options->batch);
    case BATCH_BYTES:
        return read_count("--batch-bytes", value, 1, 64 << 20, &options->batch_bytes);
    case VECTORS:
        return read_count("--vectors", value, 1, SIZE_MAX, &options->vectors);
    case PAYLOAD:
        return read_count("--payload", value, 0, BENCH_MAX_PAYLOAD, &options->payload);
    case SEED:
        good = read_count("--seed", value, 0, UINT32_MAX, &number);
        options->seed = number;
        return good;
    case CHANNELS:
        return read_count("--channels", value, 1, 64, &options->channels);
    case PROCESSES:
        return read_count("--processes", value, 1, 256, &options->processes);
    case ID_COUNT:
        return read_count("--id-count", value, 1, 100000000, &options->id_count);
    case SECONDS:
        return read_real("--seconds", value, MIN_SECONDS, MAX_SECONDS, &options->seconds);
    case WARM_UP:
        return read_real("--warm-up", value, 0, MAX_SECONDS, &options->warm_up_s);
    case RATE:
        return read_real("--rate", value, 0, MAX_RATE, &options->rate);
    default:
        return read_transfer_option(&options->transfer, option, value);
    }
}

static const char *const send_names[] = {"ready", "pieces", "checked", "copied"};

const char *
bench_send_name(bench_send send)
{
    return send_names[send];
}

static bool
read_send(bench_options *options, const char *value)
{
    for (size_t i = 0; i < sizeof send_names / sizeof send_names[0]; i++) {
        options->send = (bench_send)i;
        if (strcmp(value, send_names[i]) == 0)
            return true;
    }
    return refuse("--send", value, "must be ready, pieces, checked or copied");
}

static bool
read_option(bench_options *options, int option, char *value)
{
    switch (option) {
    case ENDPOINT:
        options->endpoint = value;
        return true;
    case TLS_CA:
        options->tls_ca = value;
        return true;
    case API_KEY:
        options->api_key = value;
        return true;
    case IN_FLIGHT:
        return read_levels("--in-flight", value, options->levels, &options->level_count);
    case WITH_VALUES:
        return options->with_values = true;
    case WITH_METADATA:
        return options->with_metadata = true;
    case LEND:
        return options->lend = true;
    case SEND:
        return read_send(options, value);
    case DRIVEN:
        return options->driven = true;
    case JSON:
        return options->json = true;
    case WEIGHTS:
        return read_weights(&options->weights, value);
    case IDS:
        return read_ids(options, value);
    case SET:
        return read_setting(options, value);
    case METRICS_LISTEN:
        options->metrics_listen = value;
        return true;
    case METRICS_FILE:
        options->metrics_file = value;
        return true;
    default:
        return read_number_option(options, option, value);
    }
}

static bool
is(const bench_options *options, const char *scenario)
{
    return strcmp(options->scenario, scenario) == 0;
}

/* What would be left out of account in silence is refused. */
static bool
suits_scenario(const bench_options *options)
{
    bool transfers = is(options, "upload") || is(options, "download");
    if (options->vectors > 0 && !is(options, "load"))
        return refuse("--vectors", NULL, "is of the scenario load; other ones take --seconds");
    if (options->send != BENCH_SEND_READY && !is(options, "upsert") && !is(options, "load"))
        return refuse("--send", bench_send_name(options->send), "is of upsert and load");
    if (options->rate > 0 && (transfers || is(options, "latency")))
        return refuse("--rate", NULL, "is of query, upsert, scale, channels, mixed, decode and load");
    if (options->processes > 1 && transfers)
        return refuse("--processes", NULL, "upload and download are of one process");
    if (options->processes > 1 && (options->metrics_listen || options->metrics_file))
        return refuse("--processes", NULL, "metrics are shown of one process");
    return true;
}

bool
bench_options_parse(bench_options *options, int argc, char **argv, const char *head, int *exit_code)
{
    *options = (bench_options){.endpoint = "127.0.0.1:5081",
                               .dimension = 768,
                               .top_k = 10,
                               .batch_bytes = 1900000,
                               .seed = 1,
                               .seconds = 3,
                               .warm_up_s = 1,
                               .channels = 1,
                               .processes = 1,
                               .weights = {10, 70, 15, 5},
                               .zipfian = true,
                               .id_count = 10000,
                               .transfer.bytes = (size_t)1 << 30};
    *exit_code = EXIT_USAGE;
    for (int option; (option = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        if (option == HELP) {
            printf("%s%s", head, help);
            *exit_code = EXIT_SUCCESS;
            return false;
        }
        if (!read_option(options, option, optarg))
            return false;
    }
    if (optind + 1 != argc)
        return refuse("argument", optind < argc ? argv[optind + 1] : "", "name one scenario; see --help");
    options->scenario = argv[optind];
    if (!suits_scenario(options))
        return false;
    if (options->vectors > 0 || is(options, "upload")) { /* of a fixed size */
        options->seconds = MAX_SECONDS;
        options->warm_up_s = 0;
    }
    return true;
}

bool
bench_options_send_ready(const bench_options *options)
{
    return options->send == BENCH_SEND_READY ||
           refuse("--send", bench_send_name(options->send), "only raw_core and raw_core_handoff know it: leave it out");
}

bool
bench_options_are_plain(const bench_options *options)
{
    static const char remedy[] = "only vecmux-bench knows it: leave it out";
    return (options->rate == 0 || refuse("--rate", NULL, remedy)) &&
           (options->channels == 1 || refuse("--channels", NULL, remedy)) &&
           (options->processes == 1 || refuse("--processes", NULL, remedy)) &&
           ((!options->metrics_listen && !options->metrics_file) ||
            refuse("--metrics-listen, --metrics-file", NULL, remedy));
}
