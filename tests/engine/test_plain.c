/* Batches of plain vectors have the bytes that the encoder of all kinds makes, lent values stay where they are, and what is
 * not plain or not sound is left to it, with nothing kept. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/failing_allocator.h"
#include "core/random.h"
#include "core/suite.h"
#include "engine/pinecone/plain.h"
#include "wire/vector_encoder.h"

#define MAX_COUNT     40
#define MAX_DIMENSION 1100 /* values of 512 and more are referenced */
#define MAX_ID        512
#define ROUNDS        300

static const vmx_limits limits = {.upsert_vectors = MAX_COUNT, .upsert_bytes = 1 << 20, .metadata_bytes = 1 << 10};

/* A batch, and what it points to. */
typedef struct batch {
    vmx_vector vectors[MAX_COUNT];
    vmx_vectors all;
    float values[MAX_COUNT][MAX_DIMENSION];
    char ids[MAX_COUNT][MAX_ID];
} batch;

static batch made;
static vmx_random chance;

static void
make_id(char *id, size_t len)
{
    for (size_t i = 0; i < len; i++)
        id[i] = (char)('!' + vmx_random_up_to(&chance, '~' - '!'));
    if (len >= 8 && vmx_random_up_to(&chance, 3) == 0)
        memcpy(id + vmx_random_up_to(&chance, len - 4), "\xf0\x9f\x8c\x8d", 4);
}

static const vmx_vectors *
make_batch(size_t count, size_t dimension)
{
    size_t id_len = 1 + vmx_random_up_to(&chance, 30);
    for (size_t i = 0; i < count; i++) {
        if (vmx_random_up_to(&chance, 4) == 0)
            id_len = 1 + vmx_random_up_to(&chance, vmx_random_up_to(&chance, 9) == 0 ? MAX_ID - 1 : 30);
        make_id(made.ids[i], id_len);
        for (size_t k = 0; k < dimension; k++)
            made.values[i][k] = (float)vmx_random_unit(&chance);
        vmx_vector_init(&made.vectors[i], sizeof made.vectors[i]);
        made.vectors[i].id = (vmx_str){made.ids[i], id_len};
        made.vectors[i].values = (vmx_floats){made.values[i], dimension};
    }
    made.all = (vmx_vectors){made.vectors, count, 0};
    return &made.all;
}

static void
free_lender(vmx_block *block)
{
    vmx_dealloc(block);
}

static vmx_block *
make_lender(void)
{
    vmx_block *lender = vmx_calloc(1, sizeof *lender);
    atomic_init(&lender->refs, 1);
    lender->release = free_lender;
    return lender;
}

static uint8_t *
bytes_of(const vmx_message *message)
{
    uint8_t *bytes = vmx_alloc(message->size_bytes), *at = bytes;
    for (size_t i = 0; i < message->count; i++) {
        memcpy(at, message->slices[i].data, message->slices[i].len);
        at += message->slices[i].len;
    }
    ck_assert_uint_eq((size_t)(at - bytes), message->size_bytes);
    return bytes;
}

static void
encode_any(const vmx_vectors *vectors, vmx_str name_space, vmx_message *message)
{
    vmx_vector_item items[MAX_COUNT];
    size_t size_bytes = 0;
    for (size_t i = 0; i < vectors->count; i++) {
        items[i] = (vmx_vector_item){.id = vectors->ptr[i].id, .values = vectors->ptr[i].values};
        vmx_vector_item_measure(&items[i]);
    }
    vmx_vectors_fit(items, vectors->count, name_space, 0, &size_bytes);
    ck_assert(vmx_vectors_encode(items, vectors->count, name_space, size_bytes, NULL, message));
}

/* The lender's slices are the caller's memory, in order; of short values there is none. */
static void
check_slices(const vmx_vectors *vectors, const vmx_block *lender, const vmx_message *message)
{
    size_t referenced = 0;
    for (size_t i = 0; i < message->count; i++) {
        ck_assert_uint_gt(message->slices[i].len, 0);
        if (message->slices[i].block == lender)
            ck_assert_ptr_eq(message->slices[i].data, vectors->ptr[referenced++].values.ptr);
    }
    bool wide = vectors->ptr[0].values.len * sizeof(float) >= VMX_REFERENCE_MIN_BYTES;
    ck_assert_uint_eq(referenced, lender != NULL && wide ? vectors->count : 0);
    ck_assert(lender == NULL || atomic_load(&lender->refs) == 1u + (referenced > 0));
}

static void
check_batch(const vmx_vectors *vectors, vmx_str name_space, bool lent)
{
    vmx_block *lender = lent ? make_lender() : NULL;
    vmx_message plain, any;
    ck_assert(vmx_plain_encode(vectors, &limits, name_space, lender, &plain));
    encode_any(vectors, name_space, &any);
    ck_assert_uint_eq(plain.size_bytes, any.size_bytes);
    uint8_t *bytes = bytes_of(&plain), *wanted = bytes_of(&any);
    ck_assert_int_eq(memcmp(bytes, wanted, plain.size_bytes), 0);
    check_slices(vectors, lender, &plain);
    vmx_dealloc(bytes);
    vmx_dealloc(wanted);
    vmx_message_clear(&plain);
    vmx_message_clear(&any);
    ck_assert(lender == NULL || atomic_load(&lender->refs) == 1);
    vmx_block_release(lender);
}

START_TEST(bytes_are_those_of_any_batch)
{
    vmx_random_seed(&chance, 21);
    for (int round = 0; round < ROUNDS; round++) {
        size_t dimension = 1 + vmx_random_up_to(&chance, MAX_DIMENSION - 1);
        const vmx_vectors *vectors = make_batch(1 + vmx_random_up_to(&chance, 19), dimension);
        vmx_str name_space = round % 3 == 0 ? VMX_STR("") : VMX_STR("na\xc3\xafve");
        check_batch(vectors, name_space, round % 2 == 0);
    }
}
END_TEST

/* A newer, longer struct: read by its size, which is the stride too. */
START_TEST(structs_of_another_size_are_read)
{
    struct {
        vmx_vector vector;
        char more[24];
    } larger[3];
    make_batch(3, 600);
    for (size_t i = 0; i < 3; i++) {
        memset(&larger[i], 0, sizeof larger[i]);
        larger[i].vector = made.vectors[i];
        larger[i].vector.size = sizeof larger[i];
    }
    vmx_vectors vectors = {&larger[0].vector, 3, 0};
    vmx_message message, any;
    ck_assert(vmx_plain_encode(&vectors, &limits, VMX_STR(""), NULL, &message));
    encode_any(&made.all, VMX_STR(""), &any);
    ck_assert_uint_eq(message.size_bytes, any.size_bytes);
    ck_assert_int_eq(memcmp(message.slices[0].data, any.slices[0].data, any.size_bytes), 0);
    vmx_message_clear(&message);
    vmx_message_clear(&any);
}
END_TEST

static void
check_refused(const vmx_vectors *vectors, bool lent, const char *why)
{
    vmx_block *lender = lent ? make_lender() : NULL;
    vmx_message message = {0};
    ck_assert_msg(!vmx_plain_encode(vectors, &limits, VMX_STR(""), lender, &message), "%s", why);
    ck_assert_ptr_null(message.slices);
    ck_assert(lender == NULL || atomic_load(&lender->refs) == 1);
    vmx_block_release(lender);
}

static void
spoil(vmx_vector *vector, int kind)
{
    static const uint32_t index = 3;
    static const float value = 1;
    switch (kind) {
    case 0:
        vector->metadata = VMX_STR("{}");
        break;
    case 1:
        vector->sparse = (vmx_sparse){&index, &value, 1};
        break;
    case 2:
        vector->id = VMX_STR("");
        break;
    case 3:
        vector->id.len = MAX_ID + 1;
        break;
    case 4:
        vector->id = VMX_STR("\xff\xfe");
        break;
    case 5:
        vector->values.len--;
        break;
    case 6:
        vector->values.len = 0;
        break;
    case 7:
        ((float *)(uintptr_t)vector->values.ptr)[vector->values.len - 1] = NAN;
        break;
    default:
        ((float *)(uintptr_t)vector->values.ptr)[0] = -INFINITY;
        break;
    }
}

START_TEST(what_is_not_plain_is_left)
{
    vmx_random_seed(&chance, 22);
    for (int kind = 0; kind < 9; kind++)
        for (size_t at = 0; at < 7; at++)
            for (int lent = 0; lent < 2; lent++)
                for (size_t dimension = 16; dimension <= 1024; dimension *= 64) {
                    char why[64];
                    snprintf(why, sizeof why, "kind %d, vector %zu of dimension %zu", kind, at, dimension);
                    make_batch(7, dimension);
                    spoil(&made.vectors[at], kind);
                    check_refused(&made.all, lent, why);
                }
}
END_TEST

START_TEST(what_is_too_much_is_left)
{
    make_batch(MAX_COUNT, 8);
    made.all.count = 0;
    check_refused(&made.all, true, "none");
    made.all.count = MAX_COUNT + 1;
    check_refused(&made.all, true, "one too many");
    vmx_limits tight = limits;
    const vmx_vectors *vectors = make_batch(5, 700);
    vmx_message message;
    encode_any(vectors, VMX_STR("x"), &message);
    tight.upsert_bytes = message.size_bytes;
    vmx_message_clear(&message);
    ck_assert(vmx_plain_encode(vectors, &tight, VMX_STR("x"), NULL, &message));
    vmx_message_clear(&message);
    tight.upsert_bytes--;
    ck_assert(!vmx_plain_encode(vectors, &tight, VMX_STR("x"), NULL, &message));
}
END_TEST

START_TEST(any_failed_allocation_is_survived)
{
    bool encoded = false;
    const vmx_vectors *vectors = make_batch(6, 900);
    for (long n = 0; !encoded && n < 10; n++) {
        failing_allocator state;
        failing_allocator_install(&state, LONG_MAX);
        vmx_block *lender = make_lender();
        state.fail_at = state.calls + n;
        vmx_message message = {0};
        encoded = vmx_plain_encode(vectors, &limits, VMX_STR(""), lender, &message);
        ck_assert_uint_eq(atomic_load(&lender->refs), encoded ? 2 : 1);
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
    const TTest *const tests[] = {bytes_are_those_of_any_batch,      structs_of_another_size_are_read,
                                  what_is_not_plain_is_left,         what_is_too_much_is_left,
                                  any_failed_allocation_is_survived, NULL};
    return run_suite("plain", tests);
}
