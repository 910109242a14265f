/* The encoders against protobuf-c, on random records and queries. */
#include <stdlib.h>

#include "core/alloc.h"
#include "core/failing_allocator.h"
#include "core/suite.h"
#include "wire/oracle.h"
#include "wire/records.h"

#define MAX_ITEMS 40
#define ROUNDS    2000

static vmx_arena arena;

START_TEST(bytes_are_those_of_protobuf_c)
{
    vmx_vector_item items[MAX_ITEMS];
    record_source source = {.arena = &arena};
    vmx_random_seed(&source.chance, 4711);
    for (int round = 0; round < ROUNDS; round++) {
        vmx_arena_reset(&arena);
        size_t count = 1 + choose(&source, MAX_ITEMS / (1 + choose(&source, 8)) - 1);
        for (size_t i = 0; i < count; i++)
            make_record(&source, &items[i]);
        oracle_check_upsert(&arena, items, count, choose(&source, 1) == 0 ? "" : "shoes", round % 2 == 0);
    }
    vmx_arena_reset(&arena);
}
END_TEST

/* Cut at any limit: each request is as large as said, within the limit, and the next record would not have fitted. */
START_TEST(what_fits_is_known_before)
{
    vmx_vector_item items[MAX_ITEMS];
    record_source source = {.arena = &arena};
    vmx_random_seed(&source.chance, 4711);
    vmx_str name_space = VMX_STR("shoes");
    for (int round = 0; round < ROUNDS / 4; round++) {
        vmx_arena_reset(&arena);
        for (size_t i = 0; i < MAX_ITEMS; i++)
            make_record(&source, &items[i]);
        size_t limit = 1500 + choose(&source, 6000), size_bytes = 0, next_bytes = 0;
        for (size_t at = 0; at < MAX_ITEMS;) {
            size_t fit = vmx_vectors_fit(items + at, MAX_ITEMS - at, name_space, limit, &size_bytes);
            if (fit == 0) { /* too large by itself */
                ck_assert_uint_gt(size_bytes, limit);
                at++;
                continue;
            }
            ck_assert_uint_le(size_bytes, limit);
            ck_assert_uint_eq(oracle_upsert(&arena, items + at, fit, "shoes").len, size_bytes);
            if (at + fit < MAX_ITEMS) {
                vmx_vectors_fit(items + at, fit + 1, name_space, 0, &next_bytes);
                ck_assert_uint_gt(next_bytes, limit);
            }
            at += fit;
        }
    }
    vmx_arena_reset(&arena);
}
END_TEST

START_TEST(queries_are_those_of_protobuf_c)
{
    record_source source = {.arena = &arena};
    vmx_random_seed(&source.chance, 12);
    for (int round = 0; round < ROUNDS; round++) {
        vmx_query_item query;
        vmx_arena_reset(&arena);
        make_query(&source, &query);
        oracle_check_query(&arena, &query);
    }
    vmx_arena_reset(&arena);
}
END_TEST

static void
free_lender(vmx_block *block)
{
    vmx_dealloc(block);
}

START_TEST(encoding_survives_any_failed_allocation)
{
    vmx_vector_item items[8];
    float values[700] = {0};
    for (size_t i = 0; i < 8; i++) {
        items[i] = (vmx_vector_item){.id = VMX_STR("id"), .values = {values, i * 100}};
        vmx_vector_item_measure(&items[i]);
    }
    size_t size_bytes = 0;
    vmx_vectors_fit(items, 8, VMX_STR(""), 0, &size_bytes);
    bool encoded = false;
    for (long n = 0; !encoded && n < 10; n++) {
        failing_allocator state;
        failing_allocator_install(&state, LONG_MAX);
        vmx_block *lender = vmx_calloc(1, sizeof *lender);
        atomic_init(&lender->refs, 1);
        lender->release = free_lender;
        state.fail_at = state.calls + n;
        vmx_message message;
        encoded = vmx_vectors_encode(items, 8, VMX_STR(""), size_bytes, lender, &message);
        ck_assert_uint_eq(atomic_load(&lender->refs), encoded ? 1 + 1 : 1); /* for both: 600 and 700 floats */
        vmx_message_clear(&message);
        vmx_block_release(lender);
        ck_assert_int_eq(state.alive, 0);
        vmx_set_allocator(NULL);
    }
    ck_assert(encoded);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {bytes_are_those_of_protobuf_c, what_fits_is_known_before,
                                  queries_are_those_of_protobuf_c, encoding_survives_any_failed_allocation, NULL};
    return run_suite("vector_encoder, query_encoder", tests);
}
