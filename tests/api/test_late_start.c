/* Operations and writers that are started while another thread closes the client: they find it closed, and touch nothing of what
 * close has given back. */
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "api/harness.h"

static vmx_client *client;
static atomic_bool
    armed; /* the next allocation of the thread that starts takes so long that the client is closed meanwhile */
static _Thread_local bool starts;

static void *
close_it(void *arg)
{
    vmx_error error;
    (void)arg;
    ck_assert_msg(vmx_client_close(client, slow_ms(10000), &error) == VMX_OK, "%s", error.message);
    return NULL;
}

static void *
slow_realloc(void *ptr, size_t size, void *user)
{
    (void)user;
    if (starts && atomic_exchange(&armed, false)) {
        pthread_t closer;
        ck_assert_int_eq(pthread_create(&closer, NULL, close_it, NULL), 0);
        pthread_join(closer, NULL);
    }
    return realloc(ptr, size);
}

static void *
slow_malloc(size_t size, void *user)
{
    return slow_realloc(NULL, size, user);
}

/* What was given back is not what it was: who still looks there fails. */
static void
spoil_and_free(void *ptr, void *user)
{
    (void)user;
    if (ptr != NULL)
        memset(ptr, 0xdd, malloc_usable_size(ptr));
    free(ptr);
}

static vmx_index *
open_armed(int io_threads)
{
    vmx_set_allocator(&(vmx_allocator){slow_malloc, slow_realloc, spoil_and_free, NULL});
    client = open_client(shared_server()->endpoint, io_threads, NULL);
    vmx_index *records = open_index(client);
    await_connections(client);
    starts = true;
    atomic_store(&armed, true);
    return records;
}

static void
free_all(vmx_index *records)
{
    ck_assert(!atomic_load(&armed));
    vmx_index_free(records);
    vmx_client_free(client);
}

START_TEST(an_operation_that_comes_too_late_finds_the_client_closed)
{
    vmx_op *op;
    vmx_error error;
    vmx_index *records = open_armed(IO_THREADS);
    ck_assert_int_eq(vmx_index_stats(records, NULL, &op, &error), VMX_ERR_CLOSED);
    ck_assert_ptr_null(op);
    free_all(records);
}
END_TEST

START_TEST(a_writer_that_comes_too_late_finds_the_client_closed)
{
    vmx_writer *writer;
    vmx_error error;
    vmx_index *records = open_armed(IO_THREADS);
    ck_assert_int_eq(vmx_writer_open(records, NULL, &writer, &error), VMX_ERR_CLOSED);
    ck_assert_ptr_null(writer);
    free_all(records);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {an_operation_that_comes_too_late_finds_the_client_closed,
                                  a_writer_that_comes_too_late_finds_the_client_closed, NULL};
    return run_modes("api_late_start", tests);
}
