/* The n-th allocation fails, for every n, over a client's whole life with one upsert and one query: each start gives an
 * error or one completion, nothing crashes, nothing leaks. */
#include <stdio.h>
#include <string.h>

#include "api/counting_allocator.h"
#include "api/harness.h"

static counting_allocator memory;

/* What may be made of a failed allocation. */
static bool
is_expected(vmx_status status, const vmx_error *error)
{
    return status == VMX_ERR_NO_MEMORY && error->code == VMX_ERR_NO_MEMORY && strstr(error->message, "memory") != NULL;
}

static vmx_status
start_rich_upsert(vmx_index *records, const vmx_call_options *options, vmx_op **op, vmx_error *error)
{
    static const float values[DIMENSION] = {1, 2, 3, 4};
    vmx_vector vector;
    vmx_vector_init(&vector, sizeof vector);
    vector.id = VMX_STR("a");
    vector.values = (vmx_floats){values, DIMENSION};
    vector.metadata = VMX_STR("{\"list\": [\"one\", \"two\"], \"number\": 1, \"yes\": true}");
    vmx_vectors vectors = {.ptr = &vector, .count = 1};
    return vmx_index_upsert(records, &vectors, options, op, error);
}

static vmx_status
start_rich_query(vmx_index *records, const vmx_call_options *options, vmx_op **op, vmx_error *error)
{
    static const float values[DIMENSION] = {1, 2, 3, 4};
    vmx_query query;
    vmx_query_init(&query, sizeof query);
    query.dense = (vmx_floats){values, DIMENSION};
    query.top_k = 2;
    query.filter = VMX_STR("{\"missing\": {\"$exists\": false}}");
    query.include_values = query.include_metadata = true;
    return vmx_index_query(records, &query, options, op, error);
}

/* Takes the op's only event. */
static void
take_completion(vmx_queue *queue, const vmx_op *op)
{
    vmx_event events[2];
    ck_assert_uint_eq(vmx_queue_poll(queue, events, 2, slow_ms(15000)), 1);
    ck_assert_ptr_eq(events[0].op, op);
    ck_assert_int_eq(events[0].status, vmx_op_status(op));
    ck_assert_msg(events[0].status == VMX_OK || is_expected(events[0].status, vmx_op_error(op)), "%s: %s",
                  vmx_status_name(events[0].status), vmx_op_error(op)->message);
}

static void
check_matches(vmx_op *op)
{
    if (vmx_op_status(op) != VMX_OK)
        return;
    ck_assert_uint_ge(vmx_op_match_count(op), 1);
    ck_assert_uint_eq(vmx_op_match_values(op, 0).len, DIMENSION);
    vmx_op_match_metadata(op, 0); /* may be NULL */
}

static void
run_calls(vmx_index *records, vmx_queue *queue)
{
    vmx_error error = {0};
    vmx_op *upsert, *query;
    vmx_header header = {VMX_STR("x-test"), VMX_STR("1")};
    vmx_call_options options = to_queue(queue, NULL);
    options.headers = &header;
    options.header_count = 1;
    vmx_status status = start_rich_upsert(records, &options, &upsert, &error);
    ck_assert_msg(status == VMX_OK || is_expected(status, &error), "%s", error.message);
    ck_assert((status == VMX_OK) == (upsert != NULL));
    if (upsert != NULL)
        take_completion(queue, upsert);
    status = start_rich_query(records, &options, &query, &error);
    ck_assert_msg(status == VMX_OK || is_expected(status, &error), "%s", error.message);
    ck_assert((status == VMX_OK) == (query != NULL));
    if (query != NULL) {
        take_completion(queue, query);
        check_matches(query);
    }
    vmx_op_free(upsert);
    vmx_op_free(query);
}

static vmx_config *
make_config(int io_threads, vmx_error *error)
{
    vmx_config *config = vmx_config_new();
    const char *const properties[] = {
        "endpoint", shared_server()->endpoint, "io.threads", io_threads ? "1" : "0", "channel.count", "1"};
    for (size_t i = 0; config != NULL && i < 6; i += 2)
        if (vmx_config_set(config, VMX_STR(properties[i]), VMX_STR(properties[i + 1]), error) != VMX_OK) {
            ck_assert_msg(is_expected(error->code, error), "%s", error->message);
            vmx_config_free(config);
            return NULL;
        }
    return config;
}

static void
run_client(int io_threads)
{
    vmx_error error;
    vmx_client *client = NULL;
    vmx_index *records = NULL;
    vmx_queue *queue = NULL;
    vmx_config *config = make_config(io_threads, &error);
    vmx_status status = config != NULL ? vmx_client_open(config, &client, &error) : VMX_OK;
    ck_assert_msg(status == VMX_OK || is_expected(status, &error), "%s", error.message);
    if (client != NULL) {
        status = vmx_index_open(client, VMX_STR(""), VMX_STR("ns"), &records, &error);
        ck_assert_msg(status == VMX_OK || is_expected(status, &error), "%s", error.message);
        status = vmx_queue_new(client, &queue, &error);
        ck_assert_msg(status == VMX_OK || is_expected(status, &error), "%s", error.message);
    }
    if (records != NULL && queue != NULL)
        run_calls(records, queue);
    vmx_queue_free(queue);
    vmx_index_free(records);
    vmx_config_free(config);
    if (client != NULL)
        close_client(client);
}

START_TEST(any_allocation_may_fail)
{
    counting_allocator_install(&memory);
    long failed_at = 0;
    run_client(IO_THREADS); /* the record is there when an upsert fails */
    for (long n = 0; n <= failed_at; n++) {
        atomic_store(&memory.calls, 0);
        atomic_store(&memory.fail_at, n);
        run_client(IO_THREADS);
        bool failed = atomic_load(&memory.calls) > n;
        atomic_store(&memory.fail_at, -1);
        ck_assert_msg(atomic_load(&memory.blocks) == 0, "%ld blocks are left after allocation %ld failed",
                      atomic_load(&memory.blocks), n);
        ck_assert_uint_eq(count_threads("vmx-"), 0);
        if (failed)
            failed_at = n + 1;
    }
    printf("io.threads=%d: each of %ld allocations failed once\n", IO_THREADS, failed_at);
    ck_assert_int_gt(failed_at, 20);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {any_allocation_may_fail, NULL};
    return run_first_modes("api_no_memory", tests, 2);
}
