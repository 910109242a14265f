/* The bulk writer when memory is out. */
#include "core/failing_allocator.h"
#include "core/suite.h"
#include "writer/harness.h"
#include "writer/ledger.h"

static void
keep_silent(world *w, size_t n, const sighting *seen)
{
    (void)w;
    (void)n;
    (void)seen;
}

/* Whichever allocation fails of those that giving a writer back would make: what it held is accounted for. */
START_TEST(a_writer_can_be_freed_without_memory)
{
    for (long fail_at = 0; fail_at < 5; fail_at++) {
        failing_allocator failing;
        vmx_ledger_figures figures;
        store_open(&s, 20, NULL);
        s.w->on_stream = keep_silent;
        vmx_writer_options options = default_options();
        options.batch_vectors = 10;
        vmx_writer *writer = open_writer(&options);
        must_put(writer, 0, 15, 4, 1);
        failing_allocator_install(&failing, fail_at);
        vmx_writer_free(writer);
        vmx_set_allocator(NULL);
        world_run(s.w, 10000);
        vmx_ledger_read(&s.w->client->ledger, &figures);
        ck_assert_uint_eq(figures.writers, 0);
        ck_assert_uint_eq(figures.sum.failed, 15);
        ck_assert_uint_eq(used_bytes(), 0);
        world_free(s.w);
    }
}
END_TEST

/* Rows of two dimensions, so that many batches are opened and closed; every id is written twice. */
static size_t
put_some(vmx_writer *writer, size_t first)
{
    for (size_t row = first; row < 80; row++) {
        size_t taken;
        vmx_status status = put_rows(writer, row % 40, 1, row % 14 < 7 ? 4 : 8, 1, 60000, &taken);
        if (status == VMX_OK)
            continue;
        ck_assert_int_eq(status, VMX_ERR_NO_MEMORY);
        ck_assert_uint_eq(taken, 0);
        return row;
    }
    return 80;
}

/* Allocations of the server's do not fail. */
static bool clients_turn;

static void *
clients_malloc(size_t size, void *user)
{
    return clients_turn ? failing_malloc(size, user) : malloc(size);
}

static void *
clients_realloc(void *old, size_t size, void *user)
{
    return clients_turn ? failing_realloc(old, size, user) : realloc(old, size);
}

static void
fail_client(failing_allocator *failing, long at)
{
    vmx_allocator allocator = {clients_malloc, clients_realloc, failing_free, failing};
    *failing = (failing_allocator){.fail_at = at};
    clients_turn = true;
    s.watch = &clients_turn;
    vmx_set_allocator(&allocator);
}

/* Whichever allocation of a load fails: what was not taken is put again, and everything is stored. */
START_TEST(a_put_is_repeated_when_memory_was_out)
{
    bool failed = true;
    for (long fail_at = 0; failed; fail_at++) {
        failing_allocator failing;
        store_open(&s, 21, NULL);
        vmx_writer_options options = default_options();
        options.batch_vectors = 5;
        vmx_writer *writer = open_writer(&options);
        fail_client(&failing, fail_at);
        size_t row = put_some(writer, 0);
        vmx_set_allocator(NULL);
        failed = failing.calls > fail_at;
        ck_assert_uint_eq(put_some(writer, row), 80);
        ck_assert_int_eq(vmx_writer_flush(writer, VMX_FOREVER, &error), VMX_OK);
        ck_assert_uint_eq(account_of(writer).stored, 80);
        close_all(writer);
    }
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {a_writer_can_be_freed_without_memory, a_put_is_repeated_when_memory_was_out, NULL};
    return run_suite("writer_no_memory", tests);
}
