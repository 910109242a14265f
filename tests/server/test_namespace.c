/* Namespaces: log sequence numbers, writes that become visible later, many threads. */
#include "core/alloc.h"
#include "core/suite.h"
#include "core/sync.h"
#include "server/store.h"

/* A write that counts where it was applied. */
typedef struct test_write {
    vmxd_write write;
    _Atomic int *applied;
    _Atomic int *discarded;
    bool refuses;
} test_write;

static bool
apply(vmxd_namespace *ns, vmxd_write *write, bool commit, vmxd_status *status)
{
    (void)ns;
    test_write *self = (test_write *)write;
    if (self->refuses)
        return vmxd_invalid(status, "refused");
    *self->applied += commit;
    return true;
}

static void
discard(vmxd_write *write)
{
    ++*((test_write *)write)->discarded;
}

static vmxd_write *
new_write(_Atomic int *applied, _Atomic int *discarded, bool refuses)
{
    vmx_arena arena = {0};
    test_write *self = vmx_arena_calloc(&arena, 1, sizeof *self);
    ck_assert_ptr_nonnull(self);
    *self = (test_write){{.apply = apply, .discard = discard}, applied, discarded, refuses};
    self->write.arena = arena;
    return &self->write;
}

START_TEST(writes_are_numbered_for_each_namespace)
{
    vmxd_store *store = vmxd_store_new(&(vmxd_store_options){.metric = VMXD_COSINE});
    _Atomic int applied = 0, discarded = 0;
    vmxd_status status;
    uint64_t lsn;
    vmxd_namespace *a = vmxd_store_open(store, "a"), *b = vmxd_store_open(store, "");
    ck_assert_str_eq(b->name, VMXD_DEFAULT_NAMESPACE);
    ck_assert_ptr_eq(vmxd_store_find(store, VMXD_DEFAULT_NAMESPACE), b);
    ck_assert_ptr_null(vmxd_store_find(store, "c"));
    ck_assert(!vmxd_namespace_write(a, new_write(&applied, &discarded, false), true, &lsn, &status));
    ck_assert_int_eq(status.code, GRPC_STATUS_NOT_FOUND);
    for (uint64_t i = 1; i <= 3; i++) {
        ck_assert(vmxd_namespace_write(a, new_write(&applied, &discarded, false), false, &lsn, &status));
        ck_assert_uint_eq(lsn, i);
    }
    ck_assert(!vmxd_namespace_write(a, new_write(&applied, &discarded, true), false, &lsn, &status));
    ck_assert_uint_eq(a->request_lsn, 3);
    ck_assert_uint_eq(a->indexed_lsn, 3);
    ck_assert_uint_eq(b->request_lsn, 0);
    ck_assert_int_eq(applied, 3);
    ck_assert_int_eq(discarded, 5);
    vmxd_namespace_write_lock(a);
    vmxd_namespace_delete(a);
    ck_assert(!a->exists && a->request_lsn == 3);
    vmxd_namespace_unlock(a);
    vmxd_store_free(store);
}
END_TEST

START_TEST(delayed_writes_become_visible_in_order)
{
    vmxd_store *store = vmxd_store_new(&(vmxd_store_options){.metric = VMXD_COSINE, .index_delay_us = 50000});
    _Atomic int applied = 0, discarded = 0;
    vmxd_status status;
    uint64_t lsn;
    vmxd_namespace *ns = vmxd_store_open(store, "a");
    ck_assert(vmxd_namespace_write(ns, new_write(&applied, &discarded, false), false, &lsn, &status));
    ck_assert(vmxd_namespace_write(ns, new_write(&applied, &discarded, false), false, &lsn, &status));
    uint64_t written = vmx_monotonic_us();
    bool visible = false;
    while (!visible && vmx_monotonic_us() < written + 10000000) {
        vmxd_namespace_read_lock(ns);
        ck_assert_uint_eq(ns->indexed_lsn, (uint64_t)applied);
        visible = ns->indexed_lsn == 2;
        vmxd_namespace_unlock(ns);
    }
    ck_assert(visible);
    ck_assert_uint_ge(vmx_monotonic_us(), written + 40000);
    ck_assert_int_eq(discarded, 2);
    ck_assert(vmxd_namespace_write(ns, new_write(&applied, &discarded, false), false, &lsn, &status));
    vmxd_store_free(store);
    ck_assert_int_eq(applied, 2);
    ck_assert_int_eq(discarded, 3);
}
END_TEST

#define THREADS 4
#define WRITES  200

typedef struct worker {
    vmxd_store *store;
    pthread_t thread;
    _Atomic int *applied, *discarded;
} worker;

static void *
write_and_read(void *arg)
{
    worker *self = arg;
    uint64_t last = 0;
    for (int i = 0; i < WRITES; i++) {
        vmxd_namespace *ns = vmxd_store_open(self->store, i % 2 ? "odd" : "even");
        vmxd_status status;
        uint64_t lsn = 0;
        if (!vmxd_namespace_write(ns, new_write(self->applied, self->discarded, false), false, &lsn, &status))
            return "refused";
        vmxd_namespace_read_lock(ns);
        uint64_t indexed = ns->indexed_lsn;
        vmxd_namespace_unlock(ns);
        if (indexed < lsn || (i % 2 == 0 && indexed < last))
            return "not visible";
        last = i % 2 == 0 ? indexed : last;
    }
    return NULL;
}

START_TEST(many_threads_share_a_store)
{
    worker workers[THREADS];
    _Atomic int applied = 0, discarded = 0;
    vmxd_store *store = vmxd_store_new(&(vmxd_store_options){.metric = VMXD_DOTPRODUCT});
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (worker){.store = store, .applied = &applied, .discarded = &discarded};
        ck_assert(vmx_thread_start(&workers[i].thread, "test", write_and_read, &workers[i]));
    }
    for (int i = 0; i < THREADS; i++) {
        void *complaint;
        pthread_join(workers[i].thread, &complaint);
        ck_assert_ptr_null(complaint);
    }
    ck_assert_int_eq(applied, THREADS * WRITES);
    ck_assert_int_eq(discarded, THREADS * WRITES);
    vmxd_store_free(store);
}
END_TEST

START_TEST(the_first_dimension_stays)
{
    uint32_t fixed;
    vmxd_store *store = vmxd_store_new(&(vmxd_store_options){0});
    ck_assert_uint_eq(vmxd_store_dimension(store), 0);
    ck_assert(vmxd_store_fix_dimension(store, 8, &fixed));
    ck_assert(vmxd_store_fix_dimension(store, 8, &fixed));
    ck_assert(!vmxd_store_fix_dimension(store, 9, &fixed));
    ck_assert_uint_eq(fixed, 8);
    vmxd_store_free(store);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {writes_are_numbered_for_each_namespace, delayed_writes_become_visible_in_order,
                                  many_threads_share_a_store, the_first_dimension_stays, NULL};
    return run_suite("server_namespace", tests);
}
