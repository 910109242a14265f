/* Records by id and slot, against a plain array; and pages of them. */
#include <stdio.h>
#include <string.h>

#include "core/suite.h"
#include "server/messages.h"
#include "server/page.h"
#include "server/records.h"

#define DIMENSION 3
#define IDS       200

static void
put(vmxd_records *records, const char *id, float value)
{
    float values[DIMENSION] = {value, value + 1, 0.5f};
    ck_assert(vmxd_records_reserve(records, DIMENSION, 1));
    vmxd_record *record = vmxd_record_new(id, NULL, NULL);
    ck_assert_ptr_nonnull(record);
    vmxd_records_put(records, record, values);
}

static void
name_of(unsigned number, char out[16])
{
    snprintf(out, 16, "id-%u", number);
}

static void
check_all(const vmxd_records *records, const float *expected)
{
    size_t count = 0;
    for (unsigned i = 0; i < IDS; i++) {
        char id[16];
        name_of(i, id);
        uint32_t slot = vmxd_records_find(records, id);
        ck_assert_msg((slot == VMXD_NO_SLOT) == (expected[i] == 0), "%s", id);
        if (slot == VMXD_NO_SLOT)
            continue;
        count++;
        ck_assert_str_eq(records->slots[slot]->id, id);
        ck_assert_float_eq(vmxd_records_values(records, slot).ptr[0], expected[i]);
        float squared = expected[i] * expected[i] + (expected[i] + 1) * (expected[i] + 1) + 0.25f;
        ck_assert_float_eq_tol(records->norms[slot], squared, squared * 1e-6f);
    }
    ck_assert_uint_eq(records->count, count);
}

/* A fixed pseudo-random walk of puts, overwrites and removals. */
START_TEST(records_equal_an_array)
{
    vmxd_records records = {.kind = VMXD_KEEP_NORM};
    float expected[IDS] = {0};
    unsigned state = 12345;
    for (unsigned step = 1; step <= 5000; step++) {
        state = state * 1103515245u + 12345u;
        unsigned number = (state >> 16) % IDS;
        char id[16];
        name_of(number, id);
        uint32_t slot = vmxd_records_find(&records, id);
        if (slot != VMXD_NO_SLOT && (state & 0x100)) {
            vmxd_records_remove(&records, slot);
            expected[number] = 0;
        } else {
            put(&records, id, (float)step);
            expected[number] = (float)step;
        }
        if (step % 500 == 0)
            check_all(&records, expected);
    }
    vmxd_records_clear(&records);
    ck_assert_uint_eq(records.count, 0);
    ck_assert_uint_eq(vmxd_records_size(&records), 0);
    put(&records, "again", 1);
    ck_assert_uint_eq(vmxd_records_find(&records, "again"), 0);
    vmxd_records_clear(&records);
}
END_TEST

START_TEST(cosine_keeps_values_and_unit_vectors)
{
    vmxd_records records = {.kind = VMXD_KEEP_UNIT};
    float values[DIMENSION] = {3, 0, 4};
    ck_assert(vmxd_records_reserve(&records, DIMENSION, 1));
    vmxd_records_put(&records, vmxd_record_new("a", NULL, NULL), values);
    ck_assert_float_eq(records.values[0], 3);
    ck_assert_float_eq_tol(records.units[0], 0.6f, 1e-6f);
    ck_assert_float_eq_tol(records.units[2], 0.8f, 1e-6f);
    vmxd_records_clear(&records);
}
END_TEST

/* What is absent stays absent, and empty is not absent. */
START_TEST(changed_record_keeps_the_rest)
{
    vmx_arena arena = {0};
    uint32_t indices[] = {7, 3};
    float values[] = {1, 2};
    Pinecone__SparseValues sparse = PINECONE__SPARSE_VALUES__INIT;
    sparse.indices = indices;
    sparse.values = values;
    sparse.n_indices = sparse.n_values = 2;
    vmxd_record *bare = vmxd_record_new("a", NULL, NULL);
    vmxd_record *empty = vmxd_record_changed(bare, NULL, struct_of(&arena, "{}"));
    vmxd_record *full = vmxd_record_changed(empty, &sparse, struct_of(&arena, "{\"x\":1}"));
    vmxd_record *same = vmxd_record_changed(full, NULL, NULL);
    ck_assert(!bare->has_metadata && empty->has_metadata && empty->metadata_len == 0);
    ck_assert_uint_eq(same->sparse.len, 2);
    ck_assert_uint_eq(same->sparse.indices[0], 7);
    ck_assert_float_eq(same->sparse.values[1], 2);
    ck_assert_uint_eq(same->metadata_len, full->metadata_len);
    ck_assert_str_eq(same->id, "a");
    vmxd_record_free(bare);
    vmxd_record_free(empty);
    vmxd_record_free(full);
    vmxd_record_free(same);
    vmx_arena_reset(&arena);
}
END_TEST

START_TEST(pages_are_in_order_and_complete)
{
    vmxd_records records = {.kind = VMXD_KEEP_VALUES};
    vmx_arena arena = {0};
    for (unsigned i = 0; i < IDS; i++) {
        char id[16];
        name_of((i * 77) % IDS, id);
        put(&records, id, 1);
    }
    put(&records, "other", 1);
    size_t seen = 0;
    const char *after = "";
    for (bool more = true; more;) {
        vmxd_page page;
        vmxd_page_request request = {.after = after, .prefix = "id-", .limit = 7};
        ck_assert(vmxd_page_find(&records, &request, &arena, &page));
        for (size_t i = 0; i < page.count; i++) {
            const char *id = records.slots[page.slots[i]]->id;
            ck_assert_int_lt(strcmp(after, id), 0);
            after = id;
        }
        seen += page.count;
        more = page.more;
        ck_assert_uint_le(seen, IDS);
    }
    ck_assert_uint_eq(seen, IDS);
    vmx_arena_reset(&arena);
    vmxd_records_clear(&records);
}
END_TEST

START_TEST(tokens_stand_for_names)
{
    vmx_arena arena = {0};
    vmxd_status status = {0};
    char *token = vmxd_page_token("id #1/~", &arena);
    ck_assert_str_eq(vmxd_page_token_name(token, &arena, &status), "id #1/~");
    const char *const wrong[] = {"x", "abc", "zz", "00", "6G"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ck_assert_ptr_null(vmxd_page_token_name(wrong[i], &arena, &status));
        ck_assert_int_eq(status.code, GRPC_STATUS_INVALID_ARGUMENT);
    }
    vmx_arena_reset(&arena);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {records_equal_an_array,        cosine_keeps_values_and_unit_vectors,
                                  changed_record_keeps_the_rest, pages_are_in_order_and_complete,
                                  tokens_stand_for_names,        NULL};
    return run_suite("server_records", tests);
}
