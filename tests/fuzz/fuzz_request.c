/*
 * The encoders: records and queries that the bytes choose are encoded as protobuf-c packs them, and what is made of them for a
 * reply is read back.
 */
#include "wire/oracle.h"
#include "wire/records.h"

#define MAX_ITEMS 12

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vmx_arena arena = {0};
    record_source source = {.arena = &arena, .bytes = data, .left = size};
    vmx_vector_item items[MAX_ITEMS];
    vmx_query_item query;
    vmx_random_seed(&source.chance, size);
    bool lent = choose(&source, 1) == 0;
    size_t count = 1 + choose(&source, MAX_ITEMS - 1);
    const char *name_space = choose(&source, 1) == 0 ? "" : "shoes";
    for (size_t i = 0; i < count; i++)
        make_record(&source, &items[i]);
    oracle_check_upsert(&arena, items, count, name_space, lent);
    make_query(&source, &query);
    oracle_check_query(&arena, &query);
    vmx_str reply = choose(&source, 1) == 0 ? make_query_reply(&source, 3) : (vmx_str){"", 0};
    oracle_reply_place place = {choose(&source, 50), choose(&source, 3), lent};
    ORACLE_CHECK(oracle_check_reply(&arena, VMX_REPLY_QUERY, reply, place) == VMX_OK);
    vmx_arena_reset(&arena);
    return 0;
}
