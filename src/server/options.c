#include "server/options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/number.h"
#include "server/limits.h"

#define MAX_THREADS         64
#define MAX_DEFAULT_THREADS 8
#define MAX_DELAY_MS        3600000
#define MAX_HOLD            1000000
#define DISCARD_MATCHES     10
#define MAX_EXPIRY_S        315360000 /* ten years */
#define UPLOAD_EXPIRY_MS    86400000

static const char help[] =
    "vecmuxd: a development server that speaks Pinecone's gRPC data plane, with exact search. It keeps everything in\n"
    "memory: what is stored is lost when it stops, unless --data keeps a log of it.\n"
    "\n"
    "usage: vecmuxd [options]\n"
    "\n"
    "  --listen HOST:PORT     where to listen; port 0 takes a free one        (127.0.0.1:5081)\n"
    "  --port-file FILE       writes the port there once it listens\n"
    "  --dimension N          of the index's dense vectors, 1 to 20000        (that of the first upsert)\n"
    "  --metric NAME          cosine, euclidean or dotproduct                 (cosine; sparse: dotproduct)\n"
    "  --vector-type TYPE     dense or sparse                                 (dense)\n"
    "  --index-delay-ms N     how long a write stays invisible to reads       (0)\n"
    "  --api-key KEY          calls without this api-key are refused          (any)\n"
    "  --tls-cert FILE        PEM certificate chain; with --tls-key           (plain text)\n"
    "  --tls-key FILE         its PEM private key\n"
    "  --threads N            threads that serve calls, and as many that search (cores, at most 8)\n"
    "  --data DIR             logs every write there before it is answered, and starts with what the log says (no "
    "log)\n"
    "  --data-sync            with --data: what is answered is on the disk, not only with the kernel\n"
    "  --quota BYTES          of blobs and unfinished uploads; suffixes k, m and g    (no limit)\n"
    "  --upload-expiry S      unfinished uploads that nobody touches for so many seconds are removed; 0: none (86400)\n"
    "  --blob-expiry S        the same for blobs that nobody looks at, reads or builds from    (0)\n"
    "  --build-memory BYTES   builds that need more are refused; with a suffix too    (no limit)\n"
    "  --discard-blobs        counts and digests what is uploaded, and stores none of it\n"
    "  --discard              stores nothing: counts calls and answers what was packed before, to measure clients\n"
    "  --discard-reply N[,DIM[,metadata]]   of a query: matches, and what each has    (10)\n"
    "  --discard-hold N       keeps N calls open; all are answered when none comes for 50 ms   (0)\n"
    "  --help, --version\n"
    "\n"
    "SIGTERM or SIGINT stops it: calls in flight are finished first.\n"
    "\n";

enum {
    LISTEN = 'l',
    PORT_FILE = 'p',
    DIMENSION = 'd',
    METRIC = 'm',
    VECTOR_TYPE = 'v',
    INDEX_DELAY = 'i',
    API_KEY = 'a',
    TLS_CERT = 'c',
    TLS_KEY = 'k',
    THREADS = 't',
    DATA = 'L',
    DATA_SYNC = 'S',
    QUOTA = 'q',
    BUILD_MEMORY = 'M',
    UPLOAD_EXPIRY = 'U',
    BLOB_EXPIRY = 'E',
    DISCARD_BLOBS = 'B',
    DISCARD = 'D',
    DISCARD_REPLY = 'R',
    DISCARD_HOLD = 'H',
    FAULT = 'f',
    FAULT_SEED = 's',
    HELP = 'h',
    VERSION = 'V'
};

static const struct option long_options[] = {
    {"listen", required_argument, NULL, LISTEN},
    {"port-file", required_argument, NULL, PORT_FILE},
    {"dimension", required_argument, NULL, DIMENSION},
    {"metric", required_argument, NULL, METRIC},
    {"vector-type", required_argument, NULL, VECTOR_TYPE},
    {"index-delay-ms", required_argument, NULL, INDEX_DELAY},
    {"api-key", required_argument, NULL, API_KEY},
    {"tls-cert", required_argument, NULL, TLS_CERT},
    {"tls-key", required_argument, NULL, TLS_KEY},
    {"threads", required_argument, NULL, THREADS},
    {"data", required_argument, NULL, DATA},
    {"data-sync", no_argument, NULL, DATA_SYNC},
    {"quota", required_argument, NULL, QUOTA},
    {"build-memory", required_argument, NULL, BUILD_MEMORY},
    {"upload-expiry", required_argument, NULL, UPLOAD_EXPIRY},
    {"blob-expiry", required_argument, NULL, BLOB_EXPIRY},
    {"discard-blobs", no_argument, NULL, DISCARD_BLOBS},
    {"discard", no_argument, NULL, DISCARD},
    {"discard-reply", required_argument, NULL, DISCARD_REPLY},
    {"discard-hold", required_argument, NULL, DISCARD_HOLD},
    {"fault", required_argument, NULL, FAULT},
    {"fault-seed", required_argument, NULL, FAULT_SEED},
    {"help", no_argument, NULL, HELP},
    {"version", no_argument, NULL, VERSION},
    {NULL, 0, NULL, 0},
};

/* What has been read, before defaults that depend on other options. */
typedef struct parser {
    vmxd_options *options;
    bool failed;
} parser;

static void
fail(parser *self, const char *option, const char *value, const char *remedy)
{
    fprintf(stderr, "vecmuxd: %s \"%s\": %s\n", option, value, remedy);
    self->failed = true;
}

static uint32_t
read_number(parser *self, const char *option, const char *text, int64_t min, int64_t max)
{
    int64_t value;
    if (vmx_integer_parse(vmx_str_from(text), false, &value) && value >= min && value <= max)
        return (uint32_t)value;
    char remedy[80];
    snprintf(remedy, sizeof remedy, "must be a number from %lld to %lld", (long long)min, (long long)max);
    fail(self, option, text, remedy);
    return 0;
}

/* With a suffix k, m or g. */
static uint64_t
read_bytes(parser *self, const char *option, const char *text)
{
    int64_t value;
    if (vmx_integer_parse(vmx_str_from(text), true, &value) && value > 0)
        return (uint64_t)value;
    fail(self, option, text, "must be a number of bytes, as 500m or 20g");
    return 0;
}

static void
read_metric(parser *self, const char *text)
{
    self->options->journal.metric_given = true;
    for (vmxd_metric metric = VMXD_COSINE; metric <= VMXD_DOTPRODUCT; metric++)
        if (strcmp(text, vmxd_metric_name(metric)) == 0) {
            self->options->store.metric = metric;
            return;
        }
    fail(self, "--metric", text, "must be cosine, euclidean or dotproduct");
}

static void
read_vector_type(parser *self, const char *text)
{
    self->options->journal.type_given = true;
    self->options->store.sparse = strcmp(text, "sparse") == 0;
    if (!self->options->store.sparse && strcmp(text, "dense") != 0)
        fail(self, "--vector-type", text, "must be dense or sparse");
}

/* "10", "100,768" or "100,768,metadata" */
static void
read_discard_reply(parser *self, const char *text)
{
    vmxd_discard_options *discard = &self->options->discard;
    char word[16] = "", rest;
    int found = sscanf(text, "%u,%u,%15[a-z]%c", &discard->matches, &discard->dimension, word, &rest);
    discard->metadata = found == 3 && strcmp(word, "metadata") == 0;
    if (found < 1 || (found == 1 && strchr(text, ',')) || found > 3 || (found == 3) != discard->metadata ||
        discard->matches > VMXD_MAX_TOP_K || discard->dimension > VMXD_MAX_DIMENSION)
        fail(self, "--discard-reply", text, "must be N, N,DIM or N,DIM,metadata");
}

static void
read_fault(parser *self, const char *text)
{
    char why[160];
    const char *wrong = vmxd_faults_add(&self->options->faults, text, why);
    if (wrong != NULL)
        fail(self, "--fault", text, wrong);
}

/* Those of uploads, builds and faults. */
static void
read_rare_option(parser *self, int option, const char *value)
{
    vmxd_repository_options *repository = &self->options->repository;
    if (option == QUOTA)
        repository->quota_bytes = read_bytes(self, "--quota", value);
    else if (option == BUILD_MEMORY)
        self->options->build_memory_bytes = read_bytes(self, "--build-memory", value);
    else if (option == UPLOAD_EXPIRY)
        repository->upload_expiry_ms = 1000 * (uint64_t)read_number(self, "--upload-expiry", value, 0, MAX_EXPIRY_S);
    else if (option == BLOB_EXPIRY)
        repository->blob_expiry_ms = 1000 * (uint64_t)read_number(self, "--blob-expiry", value, 0, MAX_EXPIRY_S);
    else if (option == DISCARD_BLOBS)
        repository->discards = true;
    else if (option == FAULT)
        read_fault(self, value);
    else if (option == FAULT_SEED) {
        self->options->faults.seed = read_number(self, "--fault-seed", value, 0, UINT32_MAX);
        self->options->faults.has_seed = true;
    }
}

static void
read_option(parser *self, int option, const char *value)
{
    vmxd_options *options = self->options;
    switch (option) {
    case LISTEN:
        options->listen = value;
        break;
    case PORT_FILE:
        options->port_file = value;
        break;
    case DIMENSION:
        options->store.dimension = read_number(self, "--dimension", value, 1, VMXD_MAX_DIMENSION);
        break;
    case METRIC:
        read_metric(self, value);
        break;
    case VECTOR_TYPE:
        read_vector_type(self, value);
        break;
    case INDEX_DELAY:
        options->store.index_delay_us = 1000 * (uint64_t)read_number(self, "--index-delay-ms", value, 0, MAX_DELAY_MS);
        break;
    case API_KEY:
        options->api_key = value;
        break;
    case TLS_CERT:
        options->tls_cert = value;
        break;
    case TLS_KEY:
        options->tls_key = value;
        break;
    case THREADS:
        options->threads = read_number(self, "--threads", value, 1, MAX_THREADS);
        break;
    case DATA:
        options->journal.directory = options->repository.directory = value;
        break;
    case DATA_SYNC:
        options->journal.sync = true;
        break;
    case DISCARD:
        options->discard.wanted = true;
        break;
    case DISCARD_REPLY:
        read_discard_reply(self, value);
        break;
    case DISCARD_HOLD:
        options->discard.hold = read_number(self, "--discard-hold", value, 0, MAX_HOLD);
        break;
    default:
        read_rare_option(self, option, value);
    }
}

/* The core takes 70000 for 4464. */
static void
check_port(parser *self)
{
    const char *listen = self->options->listen, *colon = strrchr(listen, ':');
    int64_t port;
    if (!colon)
        fail(self, "--listen", listen, "no port; write host:port");
    else if (!vmx_integer_parse(vmx_str_from(colon + 1), false, &port) || port < 0 || port > UINT16_MAX)
        fail(self, "--listen", listen, "the port must be a number from 0 to 65535");
}

static void
check_together(parser *self)
{
    vmxd_options *options = self->options;
    if (options->store.sparse && !options->journal.metric_given)
        options->store.metric = VMXD_DOTPRODUCT;
    if (options->store.sparse && options->store.metric != VMXD_DOTPRODUCT)
        fail(self, "--metric", vmxd_metric_name(options->store.metric), "a sparse index has the metric dotproduct");
    if (options->store.sparse && options->store.dimension != 0)
        fail(self, "--vector-type", "sparse", "a sparse index has no --dimension; leave it out");
    if ((options->tls_cert == NULL) != (options->tls_key == NULL))
        fail(self, options->tls_cert ? "--tls-cert" : "--tls-key",
             options->tls_cert ? options->tls_cert : options->tls_key, "give --tls-cert and --tls-key together");
    if (options->journal.sync && !options->journal.directory)
        fail(self, "--data-sync", "", "give --data DIR too");
    if (options->journal.directory && options->journal.directory[0] == '\0')
        fail(self, "--data", "", "must name a directory");
    if (options->journal.directory && options->discard.wanted)
        fail(self, "--data", options->journal.directory, "not together with --discard, which stores nothing");
    if (options->faults.count > 0 && options->discard.wanted)
        fail(self, "--fault", options->faults.rules[0].text, "not together with --discard");
    check_port(self);
}

static unsigned
default_threads(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > MAX_DEFAULT_THREADS ? MAX_DEFAULT_THREADS : (unsigned)cores;
}

bool
vmxd_options_parse(vmxd_options *options, int argc, char **argv, int *exit_code)
{
    parser self = {.options = options};
    *options = (vmxd_options){.listen = "127.0.0.1:5081",
                              .threads = default_threads(),
                              .discard.matches = DISCARD_MATCHES,
                              .repository.upload_expiry_ms = UPLOAD_EXPIRY_MS};
    *exit_code = 0;
    for (int option; (option = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        if (option == HELP || option == VERSION) {
            fputs(option == HELP ? help : "vecmuxd " VMXD_VERSION "\n", stdout);
            fputs(option == HELP ? vmxd_fault_help : "", stdout);
            return false;
        }
        if (option == '?')
            self.failed = true;
        read_option(&self, option, optarg);
    }
    if (optind < argc)
        fail(&self, "argument", argv[optind], "not known; see --help");
    check_together(&self);
    *exit_code = 2;
    return !self.failed;
}
