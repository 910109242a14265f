#include "build_show.h"
#include "cli.h"
#include "connection.h"
#include "paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct build_options {
    const char *out, *ids, *format, *key, *repository, *tenant, *index, *space, *type, *footer;
    uint64_t dimension, m, ef_construction, ef_search, memory, limit;
    bool graph_only, deterministic, any_size, keep_blobs, clean_up_failed, map, quiet;
} build_options;

static const char text[] =
    "Builds an HNSW index of a file of vectors on the server, and writes it to --out as a FAISS file: uploads,\n"
    "triggers, waits, downloads. VECTORS is .npy, .fbin, .fvecs, or raw float32 (with --dimension). With --key\n"
    "an interrupted build goes on where it was when it is called again. Prints the build as JSON on stdout,\n"
    "progress on stderr.\n"
    "  vecmux build status ID   how a build stands\n"
    "  vecmux build cancel ID   cancels it\n"
    "  vecmux build list        all builds, the newest first\n"
    "A file that has one of these names is given as ./NAME.";

/* --- the spec ------------------------------------------------------------------------------------------------------ */

/* The place of `name` in a list of names with blanks between; -1 after one line on stderr. */
static int
choose(const char *option, const char *name, const char *const *names, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    cli_error("build: --%s \"%s\"; see vecmux build --help", option, name);
    return -1;
}

static bool
make_spec(const build_options *o, vmx_build_spec *spec)
{
    static const char *const spaces[] = {"l2", "innerproduct", "cosine"};
    static const char *const types[] = {"float32", "float16", "byte", "binary"};
    static const char *const footers[] = {"", "none", "lucene"};
    int space = choose("space", o->space, spaces, 3), type = choose("type", o->type, types, 4);
    int footer = choose("footer", o->footer, footers, 3);
    vmx_build_spec_init(spec, sizeof *spec);
    if (space < 0 || type < 0 || footer < 0)
        return false;
    spec->output = vmx_str_from(o->out);
    spec->idempotency_key = vmx_str_from(o->key);
    spec->repository = vmx_str_from(o->repository);
    spec->tenant = vmx_str_from(o->tenant);
    spec->index = vmx_str_from(o->index);
    spec->space = (vmx_space)space;
    spec->data_type = (vmx_data_type)type;
    spec->footer = (vmx_footer)footer;
    spec->m = (uint32_t)o->m;
    spec->ef_construction = (uint32_t)o->ef_construction;
    spec->ef_search = (uint32_t)o->ef_search;
    spec->expected_memory_bytes = o->memory;
    spec->deterministic = o->deterministic;
    spec->graph_only = o->graph_only;
    spec->limits = o->any_size ? VMX_SWITCH_OFF : VMX_SWITCH_DEFAULT;
    spec->clean_up = o->keep_blobs ? VMX_SWITCH_OFF : VMX_SWITCH_DEFAULT;
    spec->clean_up_failed = o->clean_up_failed;
    return true;
}

/* NULL after one line on stderr. */
static vmx_source *
open_source(const build_options *o, const char *path)
{
    static const char *const formats[] = {"", "raw", "npy", "fbin", "fvecs"};
    vmx_file_options options;
    vmx_source *source = NULL;
    vmx_error error;
    int format = choose("format", o->format, formats, 5);
    if (format < 0)
        return NULL;
    vmx_file_options_init(&options, sizeof options);
    options.format = (vmx_file_format)format;
    options.dimension = (uint32_t)o->dimension;
    options.map = o->map;
    vmx_status status = vmx_source_from_file(vmx_str_from(path), &options, &source, &error);
    if (status == VMX_OK && o->ids != NULL)
        status = vmx_source_set_ids_file(source, vmx_str_from(o->ids), &error);
    if (status == VMX_OK)
        return source;
    cli_error("%s", error.message);
    vmx_source_free(source);
    return NULL;
}

/* The index takes the name of what stood there, which must not be what it is made of. */
static bool
check_output(const build_options *o, const char *path)
{
    const char *wrong = cli_same_file(o->out, path)     ? "holds the vectors"
                        : cli_same_file(o->out, o->ids) ? "holds the ids"
                        : cli_special_file(o->out)      ? "is no regular file"
                                                        : NULL;
    if (wrong)
        cli_error("build: --out \"%s\" %s; name another file", o->out, wrong);
    return !wrong;
}

/* --- the verbs ----------------------------------------------------------------------------------------------------- */

static void
print_result(const vmx_op *op, const build_options *o)
{
    vmx_build_info info;
    vmx_build_info_init(&info, sizeof info);
    vmx_op_build(op, &info);
    printf(
        "{\"uploaded_bytes\":%llu,\"downloaded_bytes\":%llu,\"result_bytes\":%llu,\"retries\":%llu,\"rows_read\":%llu,"
        "\"graph_only\":%s,\"blobs_left\":%u}\n",
        (unsigned long long)info.uploaded_bytes, (unsigned long long)info.downloaded_bytes,
        (unsigned long long)info.result_bytes, (unsigned long long)info.retries, (unsigned long long)info.rows_read,
        info.graph_only ? "true" : "false", info.blobs_left);
    if (info.blobs_left > 0)
        cli_error("build: %u blobs could not be deleted; the log has their names (--set log.stderr=true)",
                  info.blobs_left);
    if (o->graph_only && !info.graph_only && !o->quiet && info.result_bytes > 0)
        cli_error("build: the server has no graph-only form of this index; the full one was downloaded");
}

static int
build_file(const cli_session *session, const char *path, const build_options *o)
{
    vmx_build_spec spec;
    vmx_op *op = NULL;
    vmx_error error;
    if (o->out == NULL) {
        cli_error("build: no --out FILE; see vecmux build --help");
        return CLI_USAGE;
    }
    if (!make_spec(o, &spec))
        return CLI_USAGE;
    vmx_source *source = check_output(o, path) ? open_source(o, path) : NULL;
    if (source == NULL)
        return CLI_FAILED;
    vmx_status status = vmx_client_build(session->client, source, &spec, &session->options, &op, &error);
    vmx_source_free(source);
    bool good = cli_build_watch(status, &error, op, o->quiet);
    if (good) {
        cli_build_print_jobs(op);
        print_result(op, o);
    }
    vmx_op_free(op);
    return good ? CLI_OK : CLI_FAILED;
}

static int
print_builds(vmx_status status, const vmx_error *error, vmx_op *op)
{
    bool good = cli_session_wait(status, error, op);
    if (good)
        cli_build_print_jobs(op);
    vmx_op_free(op);
    return good ? CLI_OK : CLI_FAILED;
}

static int
list_builds(const cli_session *session, const build_options *o)
{
    char token[256] = "";
    vmx_build_list list;
    vmx_error error;
    vmx_build_list_init(&list, sizeof list);
    list.tenant = vmx_str_from(o->tenant);
    uint64_t left = o->limit > 0 ? o->limit : UINT64_MAX;
    do {
        vmx_op *op = NULL;
        list.limit = left < 100 ? (uint32_t)left : 100;
        list.token = vmx_str_from(token);
        vmx_status status = vmx_client_list_builds(session->client, &list, &session->options, &op, &error);
        if (!cli_session_wait(status, &error, op)) {
            vmx_op_free(op);
            return CLI_FAILED;
        }
        cli_build_print_jobs(op);
        vmx_str next = vmx_op_build_next_token(op);
        left -= vmx_op_job_count(op);
        snprintf(token, sizeof token, "%.*s", (int)next.len, next.ptr);
        vmx_op_free(op);
    } while (token[0] != '\0' && left > 0);
    return CLI_OK;
}

static int
build(const cli_session *session, const cli_texts *arguments, void *user)
{
    const build_options *o = user;
    const char *verb = arguments->count > 0 ? arguments->ptr[0] : "";
    vmx_str id = vmx_str_from(arguments->count > 1 ? arguments->ptr[1] : "");
    vmx_op *op = NULL;
    vmx_error error;
    bool status_of = strcmp(verb, "status") == 0, cancel = strcmp(verb, "cancel") == 0;
    if (strcmp(verb, "list") == 0 && arguments->count == 1)
        return list_builds(session, o);
    if (arguments->count != (status_of || cancel ? 2 : 1)) {
        cli_error("build: give one file of vectors, status ID, cancel ID, or list; see vecmux build --help");
        return CLI_USAGE;
    }
    if (!status_of && !cancel)
        return build_file(session, verb, o);
    vmx_status status = cancel ? vmx_client_cancel_build(session->client, id, &session->options, &op, &error)
                               : vmx_client_describe_build(session->client, id, &session->options, &op, &error);
    return print_builds(status, &error, op);
}

static int
run(int argc, char **argv)
{
    build_options o = {.format = "",
                       .key = "",
                       .repository = "",
                       .tenant = "",
                       .index = "",
                       .space = "l2",
                       .type = "float32",
                       .footer = ""};
    const cli_option options[] = {
        {"out", "FILE", CLI_TEXT, &o.out, "Where the index goes; it appears when all of it is there.", 0, 0},
        {"doc-ids", "FILE", CLI_TEXT, &o.ids, "Ids: int32, raw or .npy (default: the rows' numbers from 0 on).", 0, 0},
        {"format", "NAME", CLI_TEXT, &o.format, "raw, npy, fbin or fvecs (default: by the file's ending).", 0, 0},
        {"dimension", "N", CLI_NUMBER, &o.dimension, "Of raw vectors.", 1, 1048576},
        {"space", "NAME", CLI_TEXT, &o.space, "l2 (default), innerproduct or cosine.", 0, 0},
        {"type", "NAME", CLI_TEXT, &o.type, "float32 (default) or float16.", 0, 0},
        {"m", "N", CLI_NUMBER, &o.m, "Links of a node (default 16).", 2, 512},
        {"ef-construction", "N", CLI_NUMBER, &o.ef_construction, "Candidates while building (default 100).", 1, 10000},
        {"ef-search", "N", CLI_NUMBER, &o.ef_search, "Candidates while searching, stored (default 100).", 1, 10000},
        {"deterministic", NULL, CLI_FLAG, &o.deterministic, "Builds with one thread: always the same file.", 0, 0},
        {"graph-only", NULL, CLI_FLAG, &o.graph_only,
         "Downloads the graph alone and puts the vectors back from VECTORS: the same file.", 0, 0},
        {"key", "TEXT", CLI_TEXT, &o.key, "Idempotency key: called again with it, the same build goes on.", 0, 0},
        {"repository", "NAME", CLI_TEXT, &o.repository, "Folder of the blobs on the server.", 0, 0},
        {"tenant", "NAME", CLI_TEXT, &o.tenant, "On whose behalf; list: whose builds (default: all).", 0, 0},
        {"index", "NAME", CLI_TEXT, &o.index, "Whom the statistics count it for.", 0, 0},
        {"footer", "NAME", CLI_TEXT, &o.footer, "none or lucene (default: property build.footer).", 0, 0},
        {"memory", "BYTES", CLI_NUMBER, &o.memory, "What the build is expected to take on the server.", 1, 0},
        {"any-size", NULL, CLI_FLAG, &o.any_size, "Also below build.size.min.bytes and above build.size.max.bytes.", 0,
         0},
        {"keep-blobs", NULL, CLI_FLAG, &o.keep_blobs, "Leaves the blobs on the server.", 0, 0},
        {"clean-up-failed", NULL, CLI_FLAG, &o.clean_up_failed, "Deletes the blobs also after a failure.", 0, 0},
        {"map", NULL, CLI_FLAG, &o.map, "Maps VECTORS instead of reading it.", 0, 0},
        {"limit", "N", CLI_NUMBER, &o.limit, "list: at most N builds (default: all).", 1, 0},
        {"quiet", NULL, CLI_FLAG, &o.quiet, "Shows no progress.", 0, 0},
    };
    cli_usage usage = {.command = "build",
                       .arguments = "VECTORS | status ID | cancel ID | list",
                       .text = text,
                       .options = options,
                       .count = sizeof options / sizeof *options,
                       .max_positional = 2};
    return cli_session_run(&usage, argc, argv, build, &o);
}

const cli_command cli_command_build = {"build", "builds an index of a file on the server and fetches it", run};
