/* Each large allocation of a build fails once: the build ends soon all the same, well or with a fallback, and leaves
 * nothing. Large are its buffers. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/client.h"
#include "build/harness.h"

/* --- memory functions that fail once, on the test's thread, which does all of the client's work -------------------- */

enum { LARGE_BYTES = 4096 };

static _Thread_local bool counts;
static _Thread_local long calls, fail_at;

static void *
count_realloc(void *old, size_t size, void *user)
{
    (void)user;
    bool fails = counts && size >= LARGE_BYTES && calls++ == fail_at;
    return fails ? NULL : realloc(old, size);
}

static void *
count_malloc(size_t size, void *user)
{
    return count_realloc(NULL, size, user);
}

static void
count_free(void *ptr, void *user)
{
    (void)user;
    free(ptr);
}

/* --- one build ----------------------------------------------------------------------------------------------------- */

static vmx_status
run_build(vmx_client *client, bool graph_only, vmx_op **op)
{
    vmx_error error;
    vmx_retry hasty;
    vmx_call_options options = to_queue(NULL, NULL);
    vmx_source *source = make_source();
    vmx_build_spec spec = make_spec("out");
    spec.graph_only = graph_only;
    spec.footer = VMX_FOOTER_LUCENE; /* whose memory is asked for when all other is given back */
    spec.clean_up_failed = true;
    vmx_retry_init(&hasty, sizeof hasty, VMX_RETRY_BULK);
    hasty.initial_backoff_ms = hasty.max_backoff_ms = 1;
    options.retry = &hasty;
    counts = true;
    vmx_status status = vmx_client_build(client, source, &spec, &options, op, &error);
    if (status == VMX_OK)
        status = vmx_op_wait(*op, slow_ms(10000));
    counts = false;
    vmx_source_free(source);
    return status;
}

/* With the n-th allocation failing; how many there were. */
static long
build_without(long n, bool graph_only)
{
    static const char *const properties[] = {"build.part.bytes", PART_BYTES,       "build.chunk.bytes",
                                             CHUNK_BYTES,        "worker.threads", "0",
                                             "build.digest",     "sha256",         NULL};
    vmx_op *op = NULL;
    vmx_client *client = open_client(the_service.endpoint, 0, properties);
    calls = 0;
    fail_at = n;
    vmx_status status = run_build(client, graph_only, &op);
    const char *message = op != NULL && status != VMX_ERR_TIMEOUT ? vmx_op_error(op)->message : "";
    bool ended = status == VMX_OK || status == VMX_ERR_FALLBACK || (op == NULL && status == VMX_ERR_NO_MEMORY);
    ck_assert_msg(ended, "allocation %ld: %s %s", n, vmx_status_name(status), message);
    ck_assert_msg(n >= 0 || status == VMX_OK, "%s", message);
    if (status == VMX_OK)
        ck_assert_str_eq(compare_files("out", "reference"), "whole");
    ck_assert(!file_exists("out.part") && !file_exists("out.part.state"));
    ck_assert_uint_eq(atomic_load(&client->builds.current_remote), 0);
    vmx_op_free(op);
    close_client(client);
    remove_file("out");
    return calls;
}

static void
build_the_reference(void)
{
    vmx_client *client = open_patient_builder(the_service.endpoint);
    vmx_build_spec spec = make_spec("reference");
    spec.footer = VMX_FOOTER_LUCENE;
    finish(start_patient_build(client, make_source(), &spec));
    close_client(client);
}

START_TEST(each_large_allocation_fails_once)
{
    service_start(0);
    build_the_reference();
    for (int graph_only = 0; graph_only < 2; graph_only++) {
        long all = build_without(-1, graph_only != 0);
        for (long n = 0; n < all; n++)
            build_without(n, graph_only != 0);
        printf("%ld allocations\n", all);
    }
    service_stop();
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {each_large_allocation_fails_once, NULL};
    const vmx_allocator failing = {.malloc = count_malloc, .realloc = count_realloc, .free = count_free};
    vmx_set_allocator(&failing);
    return run_builds("build_out_of_memory", tests, 60000, false);
}
