/* stats/meter.h: nothing is lost, whichever threads count, be there more than have parts of their own, while it is read. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/suite.h"
#include "stats/meter.h"
#include "stats/slot.h"

#define ENDS 2000

static vmx_meter *meter;

static void
setup(void)
{
    meter = vmx_meter_new();
    ck_assert_ptr_nonnull(meter);
}

static void
count_ends(size_t ends)
{
    const vmx_meter_attempt_end end = {.why = VMX_ATTEMPT_RETRY, .grpc_code = 14, .sent_bytes = 3, .received_bytes = 5};
    for (size_t i = 0; i < ends; i++) {
        vmx_meter_attempt(meter, "query", &end);
        vmx_meter_call(meter, i % 2 == 0 ? "query" : "upsert", VMX_ERR_UNAVAILABLE, i);
    }
}

/* The operation's figures; the caller's to copy. */
static vmx_meter_figures
figures_of(const char *operation)
{
    vmx_meter_figures *all, found = {0};
    size_t count;
    ck_assert(vmx_meter_read(meter, &all, &count));
    for (size_t i = 0; i < count; i++)
        if (strcmp(all[i].operation, operation) == 0)
            found = all[i];
    vmx_dealloc(all);
    return found;
}

static void
check_sums(size_t threads)
{
    vmx_meter_figures query = figures_of("query"), upsert = figures_of("upsert");
    ck_assert_uint_eq(query.calls[VMX_ERR_UNAVAILABLE], threads * ENDS / 2);
    ck_assert_uint_eq(upsert.calls[VMX_ERR_UNAVAILABLE], threads * ENDS / 2);
    ck_assert_uint_eq(query.latency.count + upsert.latency.count, threads * ENDS);
    ck_assert_uint_eq(query.latency.sum_us + upsert.latency.sum_us, threads * ENDS * (ENDS - 1) / 2);
    ck_assert_uint_eq(upsert.latency.max_us, ENDS - 1);
    ck_assert_uint_eq(query.attempts[14], threads * ENDS);
    ck_assert_uint_eq(query.whys[VMX_ATTEMPT_RETRY], threads * ENDS);
    ck_assert_uint_eq(query.sent_bytes, threads * ENDS * 3);
    ck_assert_uint_eq(query.received_bytes, threads * ENDS * 5);
    ck_assert_uint_eq(vmx_meter_lost(meter), 0);
}

START_TEST(one_thread)
{
    setup();
    count_ends(ENDS);
    check_sums(1);
    vmx_meter_free(meter);
}
END_TEST

/* --- threads ------------------------------------------------------------------------------------------------------- */

static pthread_barrier_t barrier;
static atomic_size_t shared;

static void *
count_together(void *arg)
{
    (void)arg;
    pthread_barrier_wait(&barrier);
    if (vmx_slot_here() == VMX_SLOT_SHARED)
        atomic_fetch_add(&shared, 1);
    count_ends(ENDS);
    pthread_barrier_wait(&barrier); /* none gives its number back before all have counted */
    return NULL;
}

static void
run_threads(size_t count)
{
    pthread_t threads[VMX_SLOTS + 16];
    atomic_store(&shared, 0);
    pthread_barrier_init(&barrier, NULL, (unsigned)count);
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count_together, NULL), 0);
    for (size_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&barrier);
}

START_TEST(threads_with_parts_of_their_own)
{
    setup();
    run_threads(8);
    ck_assert_uint_eq(atomic_load(&shared), 0);
    check_sums(8);
    vmx_meter_free(meter);
}
END_TEST

START_TEST(more_threads_than_parts)
{
    setup();
    run_threads(VMX_SLOTS + 16);
    ck_assert_uint_ge(atomic_load(&shared), 15); /* this thread may have a number too */
    check_sums(VMX_SLOTS + 16);
    vmx_meter_free(meter);
}
END_TEST

/* A thread's number is given to the next: its part is counted on in. */
START_TEST(threads_one_after_the_other)
{
    setup();
    for (size_t i = 0; i < 100; i++)
        run_threads(1);
    ck_assert_uint_eq(atomic_load(&shared), 0);
    check_sums(100);
    vmx_meter_free(meter);
}
END_TEST

static atomic_bool stop;

static void *
read_on(void *arg)
{
    (void)arg;
    uint64_t last = 0;
    while (!atomic_load(&stop)) {
        vmx_meter_figures query = figures_of("query");
        ck_assert_uint_ge(query.calls[VMX_ERR_UNAVAILABLE], last);
        last = query.calls[VMX_ERR_UNAVAILABLE];
    }
    return NULL;
}

START_TEST(reading_meanwhile)
{
    pthread_t reader;
    setup();
    atomic_store(&stop, false);
    ck_assert_int_eq(pthread_create(&reader, NULL, read_on, NULL), 0);
    run_threads(4);
    atomic_store(&stop, true);
    pthread_join(reader, NULL);
    check_sums(4);
    vmx_meter_free(meter);
}
END_TEST

/* --- limits -------------------------------------------------------------------------------------------------------- */

START_TEST(kinds_of_operations_are_bounded)
{
    static char names[VMX_METER_OPERATIONS + 3][8];
    setup();
    for (size_t i = 0; i < VMX_METER_OPERATIONS + 3; i++) {
        snprintf(names[i], sizeof names[i], "op%zu", i);
        vmx_meter_call(meter, names[i], VMX_OK, 1);
    }
    ck_assert_uint_eq(vmx_meter_lost(meter), 3);
    ck_assert_uint_eq(figures_of("op0").calls[VMX_OK], 1);
    vmx_meter_free(meter);
}
END_TEST

/* Same text, other address. */
START_TEST(names_are_texts)
{
    static const char here[] = "fetch", there[] = "fetch";
    setup();
    vmx_meter_call(meter, here, VMX_OK, 1);
    vmx_meter_call(meter, there, VMX_OK, 1);
    ck_assert_uint_eq(figures_of("fetch").calls[VMX_OK], 2);
    vmx_meter_free(meter);
}
END_TEST

static void *
no_memory(size_t size, void *user)
{
    (void)size;
    (void)user;
    return NULL;
}

static void *
no_memory_again(void *ptr, size_t size, void *user)
{
    (void)ptr;
    (void)size;
    (void)user;
    return NULL;
}

static void
free_nothing(void *ptr, void *user)
{
    (void)ptr;
    (void)user;
}

START_TEST(without_memory_ends_are_lost_and_counted)
{
    setup();
    const vmx_allocator none = {no_memory, no_memory_again, free_nothing, NULL};
    vmx_set_allocator(&none);
    count_ends(1);
    vmx_set_allocator(NULL);
    ck_assert_uint_eq(vmx_meter_lost(meter), 2);
    count_ends(ENDS);
    ck_assert_uint_eq(figures_of("query").attempts[14], ENDS);
    vmx_meter_free(meter);
    vmx_meter_call(NULL, "query", VMX_OK, 1); /* no meter: nothing happens */
    vmx_meter_free(NULL);
}
END_TEST

int
main(void)
{
    return run_suite("stats_meter", (const TTest *const[]){
                                        one_thread, threads_with_parts_of_their_own, more_threads_than_parts,
                                        threads_one_after_the_other, reading_meanwhile, kinds_of_operations_are_bounded,
                                        names_are_texts, without_memory_ends_are_lost_and_counted, NULL});
}
